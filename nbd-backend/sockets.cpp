#include "nbd-backend/sockets.h"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace nbd {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr int kBacklog = 64;

Error failed(const std::string& what, int error) {
    return {ErrorCode::Io, what + ": " + std::strerror(error)};
}

int new_socket(int family) {
    return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// The caller has checked that the path fits.
sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

bool set(int socket, int level, int name, int value) {
    return ::setsockopt(socket, level, name, &value, sizeof value) == 0;
}

Result<void> remove_stale_socket(const std::string& path) {
    struct stat found {};

    if (::lstat(path.c_str(), &found) != 0) {
        return {};  // nothing there, or bind() will say what is wrong
    }
    if (!S_ISSOCK(found.st_mode)) {
        return Error{ErrorCode::Busy, path + " exists and is not a socket: move it away"};
    }
    const int probe = new_socket(AF_UNIX);
    if (probe < 0) {
        return failed("creating a socket to probe " + path, errno);
    }
    const sockaddr_un address = address_of(path);
    const bool refused =
        ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
        errno == ECONNREFUSED;
    ::close(probe);
    if (!refused) {
        return Error{ErrorCode::Busy, "another server answers on " + path + ": stop it first"};
    }
    if (::unlink(path.c_str()) != 0) {
        return failed("removing the stale socket " + path, errno);
    }
    return {};
}

}  // namespace

Result<UnixSocket> listen_unix(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return Error{ErrorCode::TooBig,
                     "the path of the NBD socket, " + path +
                         ", is longer than 107 bytes: choose a shorter run directory"};
    }
    if (auto removed = remove_stale_socket(path); !removed) {
        return removed.error();
    }
    const int socket = new_socket(AF_UNIX);
    if (socket < 0) {
        return failed("creating the NBD socket " + path, errno);
    }
    // The node gets the mode of the unbound socket: at no moment may others connect.
    const sockaddr_un address = address_of(path);

    struct stat bound {};

    if (::fchmod(socket, 0600) != 0 ||
        ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::lstat(path.c_str(), &bound) != 0 || ::listen(socket, kBacklog) != 0) {
        const int reason = errno;
        ::close(socket);
        return failed("listening on the NBD socket " + path, reason);
    }
    return UnixSocket{socket, bound.st_ino};
}

Result<int> listen_tcp(const boost::asio::ip::tcp::endpoint& where) {
    const bool v6 = where.address().is_v6();
    const std::string what = "listening for NBD clients on " + to_text(where);
    const int socket = new_socket(v6 ? AF_INET6 : AF_INET);
    if (socket < 0) {
        return failed(what, errno);
    }
    const bool prepared = set(socket, SOL_SOCKET, SO_REUSEADDR, 1) &&
                          (v6 ? set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
                                    set(socket, IPPROTO_IPV6, IPV6_FREEBIND, 1)
                              : set(socket, IPPROTO_IP, IP_FREEBIND, 1));
    if (!prepared ||
        ::bind(socket,
               reinterpret_cast<const sockaddr*>(where.data()),
               static_cast<socklen_t>(where.size())) != 0 ||
        ::listen(socket, kBacklog) != 0) {
        const int reason = errno;
        ::close(socket);
        return failed(what, reason);
    }
    return socket;
}

// Where an option is not known, the connection works all the same.
void prepare_tcp_client(int socket) {
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, 6);
    set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, 90'000);  // milliseconds
}

std::string to_text(const boost::asio::ip::tcp::endpoint& where) {
    const std::string ip = where.address().to_string();
    const std::string port = std::to_string(where.port());
    return where.address().is_v6() ? "[" + ip + "]:" + port : ip + ":" + port;
}

}  // namespace nbd
