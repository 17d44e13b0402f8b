#include "cli/common/sh_status.h"

#include "cli/common/status_text.h"

#include <cstdio>

namespace cli {

namespace {

const control::PeerDeviceStatus* peer_device_of(const control::ResourceStatus& resource,
                                                std::uint16_t volume) {
    for (const control::ConnectionStatus& connection : resource.connections) {
        for (const control::PeerDeviceStatus& peer_device : connection.peer_devices) {
            if (peer_device.volume == volume) {
                return &peer_device;
            }
        }
    }
    return nullptr;
}

std::string line(const std::string& name, const std::string& value) {
    return "_" + name + "=" + value + "\n";
}

std::string percent_done(const control::PeerDeviceStatus* peer_device) {
    if (peer_device == nullptr || !peer_device->sync) {
        return "";
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", peer_device->sync->percent_done());
    return text;
}

// "1" or nothing, as a shell likes it.
std::string flag(bool set) {
    return set ? "1" : "";
}

}  // namespace

std::string sh_status_block(const control::ResourceStatus& resource,
                            const control::DeviceStatus& device) {
    const control::PeerDeviceStatus* peer_device = peer_device_of(resource, device.volume);
    const std::string paused = peer_device == nullptr ? "no" : peer_device->resync_suspended;
    const auto paused_by = [&](const char* who) {
        return flag(paused.find(who) != std::string::npos);
    };
    const bool alone = resource.connections.empty();
    return line("minor", std::to_string(device.minor)) + line("res_name", resource.name) +
           line("volume", std::to_string(device.volume)) + line("known", "Configured") + "\n" +
           line("cstate", cstate_text(resource, device.volume)) + line("role", resource.role) +
           line("peer", alone ? "Unknown" : resource.connections.front().peer_role) +
           line("disk", device.disk) +
           line("pdsk", peer_device == nullptr ? "DUnknown" : peer_device->peer_disk) + "\n" +
           line("flags_susp", flag(resource.suspended != "no")) +
           line("flags_aftr_isp", paused_by("dependency")) +
           line("flags_peer_isp", paused_by("peer")) + line("flags_user_isp", paused_by("user")) +
           "\n" + line("resynced_percent", percent_done(peer_device)) +
           "\n_sh_status_process\n\n\n";
}

std::string sh_status_unknown(std::uint32_t minor) {
    return line("minor", std::to_string(minor)) + line("res_name", "") + line("volume", "-1") +
           line("known", "NA # not available or not yet created") + "\n" +
           line("cstate", "Unconfigured") + line("role", "") + line("peer", "") + line("disk", "") +
           line("pdsk", "") + line("flags_susp", "") + line("flags_aftr_isp", "") +
           line("flags_peer_isp", "") + line("flags_user_isp", "") + line("resynced_percent", "") +
           "\n_sh_status_process\n\n\n";
}

}  // namespace cli
