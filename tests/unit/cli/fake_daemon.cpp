#include "tests/unit/cli/fake_daemon.h"

#include "base/require.h"

#include <utility>

FakeDaemon::FakeDaemon(Answer answer)
    : answer_(std::move(answer)),
      daemon_(control::kSocketName, [this](const std::string& line) { return answer_line(line); }) {
}

std::vector<std::string> FakeDaemon::answer_line(const std::string& line) {
    const auto request = control::parse_request(line);
    REQUIRE(request.has_value());
    if (request->command != control::Command::Status &&
        request->command != control::Command::Version) {
        log_.add(std::string(control::to_string(request->command)) + " " + request->resource +
                 (request->volume ? "/" + std::to_string(*request->volume) : "") +
                 (request->force ? " force" : "") +
                 (request->discard_my_data ? " discard-my-data" : "") +
                 (request->settings ? " settings" : ""));
    }
    return answer_(*request);
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
    connection.peer_devices[0].sync = {
        40920, 32816, 8, 4, 5000, 1000, {1000, 2048}, {4000, 16384}, {}};
    connection.peer_devices[0].out_of_sync = 32816;
    return resource;
}
