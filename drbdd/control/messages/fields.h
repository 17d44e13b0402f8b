// The members of every message struct with their names in JSON: one list for writing and reading.
// They stand in the namespaces of their structs, where ipc/fields.h finds them.
#pragma once

#include "config/settings.h"
#include "drbdd/control/messages.h"
#include "ipc/fields.h"

#include <algorithm>
#include <string_view>
#include <type_traits>

template <>
inline constexpr bool ipc::kRefusesUnknown<config::NetSettings> = true;
template <>
inline constexpr bool ipc::kRefusesUnknown<config::DiskSettings> = true;
template <>
inline constexpr bool ipc::kRefusesUnknown<config::StartupSettings> = true;

namespace config {

template <typename E>

requires std::is_enum_v<E> std::string_view word_of(E value) {
    return word(value);
}

inline std::string_view word_of(AddressFamily family) {
    return family == AddressFamily::Ipv6 ? "ipv6" : "ipv4";
}

template <typename E>

requires std::is_enum_v<E> std::string_view word_problem(std::string_view text, E& value) {
    const auto all = words<E>();
    const auto found = std::find(all.begin(), all.end(), text);
    if (found == all.end()) {
        return "is not one of the words allowed";
    }
    value = static_cast<E>(found - all.begin());
    return {};
}

inline std::string_view word_problem(std::string_view text, AddressFamily& family) {
    if (text != "ipv4" && text != "ipv6") {
        return "is neither ipv4 nor ipv6";
    }
    family = text == "ipv6" ? AddressFamily::Ipv6 : AddressFamily::Ipv4;
    return {};
}

void fields(ipc::Is<Address> auto& address, auto&& visit) {
    visit("family", address.family);
    visit("ip", address.ip);
    visit("port", address.port);
}

void fields(ipc::Is<NetSettings> auto& net, auto&& visit) {
    for_each_net_option(net, visit);
}

void fields(ipc::Is<DiskSettings> auto& disk, auto&& visit) {
    for_each_disk_option(disk, visit);
}

void fields(ipc::Is<StartupSettings> auto& startup, auto&& visit) {
    for_each_startup_option(startup, visit);
}

void fields(ipc::Is<VolumeSettings> auto& volume, auto&& visit) {
    visit("number", volume.number);
    visit("minor", volume.minor);
    visit("device", volume.device);
    visit("disk", volume.disk);
    visit("meta-disk", volume.meta_disk);
    visit("meta-index", volume.meta_index);
    visit("implicit", volume.implicit);
    visit("options", volume.options);
}

void fields(ipc::Is<ResourceSettings> auto& settings, auto&& visit) {
    visit("name", settings.name);
    visit("config-file", settings.config_file);
    visit("node", settings.node);
    visit("peer", settings.peer);
    visit("address", settings.address);
    visit("peer-address", settings.peer_address);
    for_each_resource_option(settings, visit);
    visit("net", settings.net);
    visit("startup", settings.startup);
    visit("volumes", settings.volumes);
    visit("handlers", settings.handlers);
}

}  // namespace config

namespace control {

void fields(ipc::Is<Version> auto& version, auto&& visit) {
    visit("version", version.version);
    visit("node", version.node);
    visit("pid", version.pid);
}

void fields(ipc::Is<Failure> auto& failure, auto&& visit) {
    visit("object", failure.object);
    visit("code", failure.code);
    visit("text", failure.text);
}

void fields(ipc::Is<DoneSince> auto& done, auto&& visit) {
    visit("ms", done.ms);
    visit("sectors", done.sectors);
}

void fields(ipc::Is<VerifiedRange> auto& range, auto&& visit) {
    visit("start", range.start);
    visit("stop", range.stop);
    visit("position", range.position);
}

void fields(ipc::Is<SyncProgress> auto& sync, auto&& visit) {
    visit("total", sync.total_kib);
    visit("left", sync.left_kib);
    visit("failed", sync.failed_kib);
    visit("equal", sync.equal_kib);
    visit("ms", sync.ms);
    visit("paused-ms", sync.paused_ms);
    visit("last", sync.last);
    visit("oldest", sync.oldest);
    visit("verified", sync.verified);
}

void fields(ipc::Is<DeviceStatus> auto& device, auto&& visit) {
    visit("volume", device.volume);
    visit("minor", device.minor);
    visit("disk", device.disk);
    visit("device", device.device);
    visit("backing-dev", device.backing_dev);
    visit("frontend", device.frontend);
    visit("frontend-note", device.frontend_note);
    visit("open", device.open);
    visit("size", device.size);
    visit("read", device.read);
    visit("written", device.written);
    visit("al-writes", device.al_writes);
    visit("bm-writes", device.bm_writes);
    visit("upper-pending", device.upper_pending);
    visit("lower-pending", device.lower_pending);
    visit("al-suspended", device.al_suspended);
    visit("blocked", device.blocked);
    visit("held-back-by", device.held_back_by);
    visit("current-uuid", device.current_uuid);
    visit("generations", device.generations);
    visit("agreed-max-bio-size", device.agreed_max_bio_bytes);
}

void fields(ipc::Is<PeerDeviceStatus> auto& peer_device, auto&& visit) {
    visit("volume", peer_device.volume);
    visit("cstate", peer_device.cstate);
    visit("peer-disk", peer_device.peer_disk);
    visit("resync-suspended", peer_device.resync_suspended);
    visit("received", peer_device.received);
    visit("sent", peer_device.sent);
    visit("out-of-sync", peer_device.out_of_sync);
    visit("pending", peer_device.pending);
    visit("unacked", peer_device.unacked);
    visit("sync", peer_device.sync);
}

void fields(ipc::Is<ConnectionStatus> auto& connection, auto&& visit) {
    visit("peer", connection.peer);
    visit("cstate", connection.cstate);
    visit("peer-role", connection.peer_role);
    visit("protocol", connection.protocol);
    visit("last-error", connection.last_error);
    visit("congested", connection.congested);
    visit("ap-in-flight", connection.ap_in_flight_sectors);
    visit("rs-in-flight", connection.rs_in_flight_sectors);
    visit("peer-devices", connection.peer_devices);
}

void fields(ipc::Is<ResourceStatus> auto& resource, auto&& visit) {
    visit("name", resource.name);
    visit("role", resource.role);
    visit("suspended", resource.suspended);
    visit("write-ordering", resource.write_ordering);
    visit("degraded", resource.degraded);
    visit("devices", resource.devices);
    visit("connections", resource.connections);
}

void fields(ipc::Is<Snapshot> auto& snapshot, auto&& visit) {
    visit("resources", snapshot.resources);
}

void fields(ipc::Is<Event> auto& event, auto&& visit) {
    visit("action", event.action);
    visit("object", event.object);
    visit("keys", event.keys);
    visit("state", event.state);
    visit("statistics", event.statistics);
}

}  // namespace control
