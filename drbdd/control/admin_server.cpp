#include "drbdd/control/admin_server.h"

#include "drbdd/control/admin_session.h"

#include <boost/asio/post.hpp>

#include <cerrno>
#include <cstring>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace control {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 64;
constexpr auto kAcceptPause = std::chrono::milliseconds(200);
// "In transient state, retry after next state change": 8.4 has no number for "no answer".
constexpr int kNoAnswer = -18;

// The tools run as root; a daemon of a test as its user.
bool is_allowed(stream_protocol::socket& socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    return peer.uid == 0 || peer.uid == ::geteuid();
}

Reply reply_to(const Request& request, int code = 0, std::string text = {}) {
    Reply reply;
    reply.id = request.id;
    reply.code = code;
    reply.text = std::move(text);
    return reply;
}

std::string late_text(const Request& request, std::chrono::milliseconds deadline) {
    return base::format(
        "%s\nresource %s has not answered '%s' within %lld ms: it is busy or "
        "hangs. What was asked may still happen; see 'drbdadm status'.",
        std::string(error_text(kNoAnswer)).c_str(),
        request.resource.c_str(),
        std::string(to_string(request.command)).c_str(),
        static_cast<long long>(deadline.count()));
}

}  // namespace

AdminServer::AdminServer(AdminServerOptions options, Backend& backend, base::LogSink& log)
    : options_(std::move(options)),
      backend_(backend),
      log_(log),
      work_(context_.get_executor()),
      acceptor_(context_),
      accept_pause_(context_) {
}

AdminServer::~AdminServer() {
    stop();
}

void AdminServer::stop() {
    if (thread_.joinable()) {
        asio::post(context_, [this] {
            boost::system::error_code ignored;
            acceptor_.close(ignored);
            accept_pause_.cancel();
            while (!sessions_.empty()) {
                (*sessions_.begin())->close();
            }
            context_.stop();
        });
        thread_.join();
        ::unlink((options_.run_dir + "/" + kSocketName).c_str());
    }
}

base::Result<void> AdminServer::start() {
    if (auto bound = bind(); !bound) {
        return bound;
    }
    accept_next();
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "drbdd-admin");
        context_.run();
    });
    return {};
}

base::Result<void> AdminServer::bind() {
    const std::string path = options_.run_dir + "/" + kSocketName;
    const auto failure = [&path](const std::string& reason) {
        return base::Error{
            base::ErrorCode::Io,
            base::format("cannot make the admin socket %s: %s", path.c_str(), reason.c_str())};
    };
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return failure(std::strerror(errno));
    }
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return failure("the name is too long");
    }
    boost::system::error_code error;
    acceptor_.open(stream_protocol(), error);
    // Before it has a name, so that there is no moment in which others could connect.
    if (!error && ::fchmod(acceptor_.native_handle(), 0600) != 0) {
        return failure(std::strerror(errno));
    }
    if (!error) {
        acceptor_.bind(stream_protocol::endpoint(path), error);
    }
    if (!error) {
        acceptor_.listen(kBacklog, error);
    }
    if (error) {
        return failure(error.message());
    }
    return {};
}

void AdminServer::accept_next() {
    acceptor_.async_accept(
        [this](const boost::system::error_code& error, stream_protocol::socket socket) {
            if (error == asio::error::operation_aborted) {
                return;
            }
            if (!error) {
                adopt(std::move(socket));
                accept_next();
                return;
            }
            accept_pause_.expires_after(kAcceptPause);  // no file descriptors left
            accept_pause_.async_wait([this](const boost::system::error_code& stopped) {
                if (!stopped) {
                    accept_next();
                }
            });
        });
}

void AdminServer::adopt(stream_protocol::socket socket) {
    if (sessions_.size() >= options_.clients) {
        return;
    }
    const bool allowed = is_allowed(socket);
    const auto session = std::make_shared<AdminSession>(*this, std::move(socket));
    sessions_.insert(session);
    if (allowed) {
        session->start();
    } else {
        session->refuse(std::string(error_text(err::kPermission)));
    }
}

void AdminServer::post(std::function<void()> deed) {
    asio::post(context_, std::move(deed));
}

// --- Requests -----------------------------------------------------------------------------------

void AdminServer::handle(const std::shared_ptr<AdminSession>& session, Request request) {
    switch (request.command) {
        case Command::Version: {
            Reply reply = reply_to(request);
            reply.data = to_json(options_.version);
            session->reply(reply);
            return;
        }
        case Command::Status:
            handle_status(session, request);
            return;
        case Command::Events2:
            handle_events(session, request);
            return;
        default:
            handle_execute(session, request);
            return;
    }
}

void AdminServer::handle_execute(const std::shared_ptr<AdminSession>& session,
                                 const Request& request) {
    const auto timer = std::make_shared<asio::steady_timer>(context_, options_.command_deadline);
    const auto answered = std::make_shared<bool>(false);
    timer->async_wait(
        [this, session, request, timer, answered](const boost::system::error_code& error) {
            if (!error && !std::exchange(*answered, true)) {
                session->reply(
                    reply_to(request, kNoAnswer, late_text(request, options_.command_deadline)));
            }
        });
    backend_.execute(request, [this, session, request, timer, answered](Outcome outcome) {
        asio::post(context_,
                   [session, request, timer, answered, outcome = std::move(outcome)]() mutable {
                       if (std::exchange(*answered, true)) {
                           return;
                       }
                       timer->cancel();
                       Reply reply = reply_to(request, outcome.code, std::move(outcome.text));
                       reply.data = std::move(outcome.data);
                       session->reply(reply);
                   });
    });
}

// `fresh`: all that were asked have answered.
void AdminServer::after_refresh(const std::string& resource, std::function<void(bool fresh)> then) {
    const auto timer = std::make_shared<asio::steady_timer>(context_, options_.refresh_deadline);
    const auto done = std::make_shared<bool>(false);
    timer->async_wait([timer, done, then](const boost::system::error_code& error) {
        if (!error && !std::exchange(*done, true)) {
            then(false);
        }
    });
    backend_.refresh(resource, [this, timer, done, then = std::move(then)] {
        asio::post(context_, [timer, done, then] {
            if (!std::exchange(*done, true)) {
                timer->cancel();
                then(true);
            }
        });
    });
}

Snapshot AdminServer::snapshot(const std::string& resource) const {
    Snapshot result;
    for (const auto& [name, told] : resources_) {
        if (resource.empty() || resource == name) {
            result.resources.push_back(told.status);
        }
    }
    return result;
}

// Which resources have told nothing since they were asked, and how old is what is shown of them.
std::string AdminServer::stale_text(const std::string& resource,
                                    std::chrono::steady_clock::time_point asked) const {
    std::string text;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& [name, told] : resources_) {
        if ((resource.empty() || resource == name) && told.at < asked) {
            const std::chrono::duration<double> age = now - told.at;
            text += base::format("%sresource %s does not answer: this is what it told %.1f s ago",
                                 text.empty() ? "" : "\n",
                                 name.c_str(),
                                 age.count());
        }
    }
    return text;
}

void AdminServer::handle_status(const std::shared_ptr<AdminSession>& session,
                                const Request& request) {
    const auto asked = std::chrono::steady_clock::now();
    after_refresh(request.resource, [this, session, request, asked](bool fresh) {
        Reply reply = reply_to(request);
        if (!request.resource.empty() && !resources_.contains(request.resource)) {
            reply.code = err::kResourceNotKnown;
            reply.text = error_text(err::kResourceNotKnown);
        } else {
            reply.data = to_json(snapshot(request.resource));
            if (!fresh) {
                reply.text = stale_text(request.resource, asked);
            }
        }
        session->reply(reply);
    });
}

void AdminServer::handle_events(const std::shared_ptr<AdminSession>& session,
                                const Request& request) {
    after_refresh(request.resource, [this, session, request](bool) {
        session->subscribe(request.id, request.resource);
        session->reply(reply_to(request));
        for (const Event& event : existing_events(snapshot(request.resource), request.resource)) {
            session->tell(event);
        }
        if (request.now) {
            session->close_after_writing();
        }
    });
}

// --- What resources tell ------------------------------------------------------------------------

void AdminServer::update(const std::string& resource, std::optional<ResourceStatus> status) {
    asio::post(context_, [this, resource, status = std::move(status)] {
        const auto known = resources_.find(resource);
        const ResourceStatus* before = known == resources_.end() ? nullptr : &known->second.status;
        tell(resource, change_events(before, status ? &*status : nullptr));
        if (status) {
            resources_[resource] = {*status, std::chrono::steady_clock::now()};
        } else {
            resources_.erase(resource);
        }
    });
}

void AdminServer::update_handler(const std::string& resource,
                                 std::optional<std::uint16_t> volume,
                                 const std::string& name,
                                 std::optional<int> wait_status) {
    asio::post(context_, [this, resource, volume, name, wait_status] {
        const auto known = resources_.find(resource);
        if (known != resources_.end()) {
            tell(resource,
                 {wait_status ? helper_response(known->second.status, volume, name, *wait_status)
                              : helper_call(known->second.status, volume, name)});
        }
    });
}

void AdminServer::tell(const std::string& resource, const std::vector<Event>& events) {
    // A client that is too slow leaves the set while we go through it.
    const auto sessions = sessions_;
    for (const auto& session : sessions) {
        if (session->wants_events_of(resource)) {
            for (const Event& event : events) {
                session->tell(event);
            }
        }
    }
}

}  // namespace control
