#include "tests/unit/fake/line_daemon.h"

#include "base/require.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace fake {

TempDir::TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "drbdd-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

TempDir::~TempDir() {
    std::filesystem::remove_all(path_);
}

LineDaemon::LineDaemon(const std::string& socket_name, Answer answer) : answer_(std::move(answer)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = run_dir() + "/" + socket_name;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    listen_fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listen_fd_, 8) == 0);
    REQUIRE(::pipe(stop_fds_) == 0);
    thread_ = std::thread([this] { serve(); });
}

LineDaemon::~LineDaemon() {
    ::close(stop_fds_[1]);
    thread_.join();
    ::close(stop_fds_[0]);
    ::close(listen_fd_);
}

void LineDaemon::serve() {
    std::map<int, std::string> clients;  // what each has sent so far
    while (true) {
        std::vector<pollfd> fds = {{stop_fds_[0], POLLIN, 0}, {listen_fd_, POLLIN, 0}};
        for (const auto& [fd, received] : clients) {
            fds.push_back({fd, POLLIN, 0});
        }
        ::poll(fds.data(), fds.size(), -1);
        if (fds[0].revents != 0) {
            break;
        }
        if (fds[1].revents != 0) {
            clients.emplace(::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC), "");
        }
        for (std::size_t i = 2; i < fds.size(); ++i) {
            if (fds[i].revents != 0 && !serve_client(fds[i].fd, clients[fds[i].fd])) {
                ::close(fds[i].fd);
                clients.erase(fds[i].fd);
            }
        }
    }
    for (const auto& [fd, received] : clients) {
        ::close(fd);
    }
}

bool LineDaemon::serve_client(int fd, std::string& received) {
    std::array<char, 4096> chunk;
    const ssize_t count = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (count <= 0) {
        return false;
    }
    received.append(chunk.data(), static_cast<std::size_t>(count));
    for (std::size_t end; (end = received.find('\n')) != std::string::npos;) {
        const std::string request = received.substr(0, end);
        received.erase(0, end + 1);
        for (const std::string& line : answer_(request)) {
            if (line.empty()) {
                return false;
            }
            ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
        }
    }
    return true;
}

void Log::add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
}

std::vector<std::string> Log::lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
}

}  // namespace fake
