// A client of a local socket.
#pragma once

#include "base/require.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace fake {

// A socket that does not block, in a test where the server runs only when it is told to.
class LineClient {
public:
    explicit LineClient(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }

    ~LineClient() { ::close(fd_); }

    LineClient(const LineClient&) = delete;
    LineClient& operator=(const LineClient&) = delete;

    // What did not fit is not sent.
    std::size_t send(std::string_view text) {
        const ssize_t count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        return count < 0 ? 0 : static_cast<std::size_t>(count);
    }

    // What has come since.
    std::string received() {
        std::string all;
        char piece[4096];
        ssize_t count = 0;
        while ((count = ::recv(fd_, piece, sizeof piece, 0)) > 0) {
            all.append(piece, static_cast<std::size_t>(count));
        }
        ended_ = count == 0;
        return all;
    }

    // The server has closed the connection.
    bool ended() {
        received();
        return ended_;
    }

private:
    int fd_;
    bool ended_ = false;
};

}  // namespace fake
