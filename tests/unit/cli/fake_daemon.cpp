#include "tests/unit/cli/fake_daemon.h"

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

TempDir::TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "drbdd-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

TempDir::~TempDir() {
    std::filesystem::remove_all(path_);
}

FakeDaemon::FakeDaemon(Answer answer) : answer_(std::move(answer)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = run_dir() + "/" + control::kSocketName;
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
        if (request->command != control::Command::Status &&
            request->command != control::Command::Version) {
            const std::lock_guard lock(mutex_);
            requests_.push_back(std::string(control::to_string(request->command)) + " " +
                                request->resource +
                                (request->volume ? "/" + std::to_string(*request->volume) : "") +
                                (request->force ? " force" : "") +
                                (request->discard_my_data ? " discard-my-data" : "") +
                                (request->settings ? " settings" : ""));
        }
        for (const std::string& line : answer_(*request)) {
            ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
        }
    }
    return true;
}

std::string reply_line(const control::Request& request,
                       int code,
                       const std::string& text,
                       control::Json data) {
    return control::to_line(control::Reply{request.id, code, text, std::move(data)});
}

FakeDaemon::Answer answers_with(control::Snapshot snapshot, int code, std::string text) {
    return [=](const control::Request& request) -> std::vector<std::string> {
        if (request.command == control::Command::Status) {
            control::Snapshot chosen;
            for (const control::ResourceStatus& resource : snapshot.resources) {
                if (request.resource.empty() || request.resource == resource.name) {
                    chosen.resources.push_back(resource);
                }
            }
            return {reply_line(request, 0, "", control::to_json(chosen))};
        }
        if (request.command == control::Command::Events2) {
            std::vector<std::string> lines = {reply_line(request, 0, "")};
            for (const control::Event& event :
                 control::existing_events(snapshot, request.resource)) {
                lines.push_back(control::event_line(request.id, event));
            }
            return lines;
        }
        return {reply_line(request, code, text)};
    };
}

namespace {

control::DeviceStatus device(std::uint16_t volume, std::uint32_t minor, const std::string& disk) {
    control::DeviceStatus status;
    status.volume = volume;
    status.minor = minor;
    status.disk = disk;
    status.device = "/dev/drbd" + std::to_string(minor);
    status.size = 40920;
    status.al_writes = 8;
    return status;
}

control::PeerDeviceStatus peer_device(std::uint16_t volume,
                                      const std::string& cstate,
                                      const std::string& disk) {
    control::PeerDeviceStatus status;
    status.volume = volume;
    status.cstate = cstate;
    status.peer_disk = disk;
    return status;
}

}  // namespace

control::ResourceStatus sample_r1() {
    control::ResourceStatus resource;
    resource.name = "r1";
    resource.devices = {device(0, 5, "UpToDate")};
    control::ConnectionStatus connection;
    connection.peer = "beta";
    connection.cstate = "Connected";
    connection.peer_role = "Secondary";
    connection.peer_devices = {peer_device(0, "Connected", "UpToDate")};
    resource.connections = {connection};
    return resource;
}

control::ResourceStatus sample_r0() {
    control::ResourceStatus resource = sample_r1();
    resource.name = "r0";
    resource.role = "Primary";
    resource.devices = {device(0, 0, "Inconsistent"), device(1, 1, "Inconsistent")};
    control::ConnectionStatus& connection = resource.connections[0];
    connection.peer_devices = {peer_device(0, "SyncTarget", "UpToDate"),
                               peer_device(1, "Connected", "Inconsistent")};
    connection.peer_devices[0].sync = {40920, 32816, 2048, 16};
    connection.peer_devices[0].out_of_sync = 32816;
    return resource;
}
