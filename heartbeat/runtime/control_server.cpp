#include "heartbeat/runtime/control_server.h"

#include "heartbeat/runtime/control_session.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 32;
constexpr auto kAcceptPause = std::chrono::milliseconds(200);

bool is_allowed(stream_protocol::socket& socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

ControlServer::ControlServer(asio::io_context& io,
                             std::string path,
                             Handler handler,
                             base::LogSink& log)
    : io_(io),
      path_(std::move(path)),
      handler_(std::move(handler)),
      log_(log),
      acceptor_(io),
      accept_pause_(io) {
}

ControlServer::~ControlServer() {
    while (!sessions_.empty()) {
        const auto session = *sessions_.begin();
        session->close();
    }
    if (acceptor_.is_open()) {
        ::unlink(path_.c_str());
    }
}

base::Result<void> ControlServer::start() {
    const auto failure = [this](const std::string& reason) {
        return base::Error{base::ErrorCode::Io,
                           "cannot make the control socket " + path_ + ": " + reason};
    };
    // The run directory is claimed: what lies there is of a dead daemon.
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
        return failure(std::strerror(errno));
    }
    if (path_.size() >= sizeof(sockaddr_un::sun_path)) {
        return failure("the name is too long");
    }
    boost::system::error_code error;
    acceptor_.open(stream_protocol(), error);
    // Before it has a name, so that there is no moment in which others could connect.
    if (!error && ::fchmod(acceptor_.native_handle(), 0600) != 0) {
        return failure(std::strerror(errno));
    }
    if (!error) {
        acceptor_.bind(stream_protocol::endpoint(path_), error);
    }
    if (!error) {
        acceptor_.listen(kBacklog, error);
    }
    if (error) {
        return failure(error.message());
    }
    accept_next();
    return {};
}

void ControlServer::accept_next() {
    acceptor_.async_accept(
        [this](const boost::system::error_code& error, stream_protocol::socket socket) {
            if (error == asio::error::operation_aborted) {
                return;
            }
            if (error) {  // no file descriptors left
                accept_pause_.expires_after(kAcceptPause);
                accept_pause_.async_wait([this](const boost::system::error_code& stopped) {
                    if (!stopped) {
                        accept_next();
                    }
                });
                return;
            }
            if (sessions_.size() < kMaxClients) {
                const bool allowed = is_allowed(socket);
                const auto session = std::make_shared<ControlSession>(*this, std::move(socket));
                sessions_.insert(session);
                if (allowed) {
                    session->start();
                } else {
                    session->refuse("only root may ask");
                }
            }
            accept_next();
        });
}

void ControlServer::tell(const control::Event& event) {
    // A client that is too slow leaves the set while we go through it.
    const auto sessions = sessions_;
    for (const auto& session : sessions) {
        session->tell(event);
    }
}

}  // namespace hb
