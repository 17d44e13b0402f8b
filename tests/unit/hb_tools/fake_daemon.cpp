#include "tests/unit/hb_tools/fake_daemon.h"

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

namespace control = hb::control;

FakeDaemon::FakeDaemon(Answer answer) : answer_(std::move(answer)) {
    run_dir_ = (std::filesystem::temp_directory_path() / "drbdd-test-XXXXXX").string();
    REQUIRE(::mkdtemp(run_dir_.data()) != nullptr);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = run_dir_ + "/" + control::kSocketName;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    listen_fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listen_fd_, 8) == 0);
    REQUIRE(::pipe(stop_fds_) == 0);
    thread_ = std::thread([this] { serve(); });
}

FakeDaemon::~FakeDaemon() {
    ::close(stop_fds_[1]);
    thread_.join();
    ::close(stop_fds_[0]);
    ::close(listen_fd_);
    std::filesystem::remove_all(run_dir_);
}

std::vector<std::string> FakeDaemon::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

void FakeDaemon::serve() {
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

bool FakeDaemon::serve_client(int fd, std::string& received) {
    std::array<char, 4096> chunk;
    const ssize_t count = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (count <= 0) {
        return false;
    }
    received.append(chunk.data(), static_cast<std::size_t>(count));
    for (std::size_t end; (end = received.find('\n')) != std::string::npos;) {
        const auto request = control::parse_request(received.substr(0, end));
        received.erase(0, end + 1);
        REQUIRE(request.has_value());
        std::string summary(control::to_string(request->kind));
        for (const std::string* word : {&request->arg, &request->node, &request->name}) {
            summary += word->empty() ? "" : " " + *word;
        }
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(summary + (request->wait ? " wait" : ""));
        }
        for (const std::string& line : answer_(*request)) {
            if (line.empty()) {
                return false;  // hangs up
            }
            ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
        }
    }
    return true;
}

std::string reply_line(const control::Request& request,
                       int exit,
                       const std::string& text,
                       control::Json data) {
    control::Reply reply;
    reply.id = request.id;
    reply.exit = exit;
    reply.text = text;
    reply.data = std::move(data);
    return control::to_line(reply);
}

FakeDaemon::Answer answers_with(control::Status status, int exit, std::string text) {
    return [=](const control::Request& request) -> std::vector<std::string> {
        if (request.kind == control::RequestKind::Status) {
            return {reply_line(request, 0, "", control::to_json(status))};
        }
        return {reply_line(request, exit, text)};
    };
}

namespace {

control::NodeStatus node(const std::string& name, const std::string& status, bool link_up) {
    control::NodeStatus made;
    made.name = name;
    made.status = status;
    made.hold = "none";
    made.stable = true;
    made.silence_ms = 400;
    made.deadtime_ms = 2100;
    made.generation = 7;
    made.links = {{"eth1", link_up}, {"eth0", link_up}};
    return made;
}

}  // namespace

control::Status sample_status() {
    control::Status status;
    status.node = "node-a";
    status.version = "0.1.0";
    status.pid = 1;
    status.status = "active";
    status.resources = "local";
    status.phase = "stable";
    status.standby = "not";
    status.generation = 12;
    status.uptime_ms = 3'905'000;
    status.nodes = {node("node-a", "active", false), node("node-b", "active", true)};
    status.nodes[0].hold = "local";
    control::NodeStatus ping;
    ping.name = "10.77.0.254";
    ping.ping = true;
    ping.status = "ping";
    ping.silence_ms = 900;
    ping.links = {{"10.77.0.254", true}};
    status.nodes.push_back(ping);
    status.media = {{"eth1", "ucast", true, ""}, {"eth0", "ucast", false, "Network is down"}};
    status.groups = {{"IPaddr::10.77.0.100/24/eth0:1",
                      "node-a",
                      "running",
                      "",
                      {{"IPaddr::10.77.0.100/24/eth0:1", "running"}, {"mysqld", "running"}}}};
    return status;
}
