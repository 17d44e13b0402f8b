// The members of every message struct with their names in JSON: one list for writing and reading.
#pragma once

#include "drbdd/control/messages.h"

#include <concepts>
#include <type_traits>

namespace control {

// T is S or const S: the lists below serve both directions.
template <typename T, typename S>
concept Is = std::same_as<std::remove_const_t<T>, S>;

void fields(Is<config::Address> auto& address, auto&& visit) {
    visit("family", address.family);
    visit("ip", address.ip);
    visit("port", address.port);
}

void fields(Is<config::NetSettings> auto& net, auto&& visit) {
    config::for_each_net_option(net, visit);
}

void fields(Is<config::DiskSettings> auto& disk, auto&& visit) {
    config::for_each_disk_option(disk, visit);
}

void fields(Is<config::StartupSettings> auto& startup, auto&& visit) {
    config::for_each_startup_option(startup, visit);
}

void fields(Is<config::VolumeSettings> auto& volume, auto&& visit) {
    visit("number", volume.number);
    visit("minor", volume.minor);
    visit("device", volume.device);
    visit("disk", volume.disk);
    visit("implicit", volume.implicit);
    visit("options", volume.options);
}

void fields(Is<config::ResourceSettings> auto& settings, auto&& visit) {
    visit("name", settings.name);
    visit("config-file", settings.config_file);
    visit("node", settings.node);
    visit("peer", settings.peer);
    visit("address", settings.address);
    visit("peer-address", settings.peer_address);
    visit("net", settings.net);
    visit("startup", settings.startup);
    visit("volumes", settings.volumes);
    visit("handlers", settings.handlers);
}

void fields(Is<Version> auto& version, auto&& visit) {
    visit("version", version.version);
    visit("node", version.node);
    visit("pid", version.pid);
}

void fields(Is<Failure> auto& failure, auto&& visit) {
    visit("object", failure.object);
    visit("code", failure.code);
    visit("text", failure.text);
}

void fields(Is<SyncProgress> auto& sync, auto&& visit) {
    visit("total", sync.total_kib);
    visit("left", sync.left_kib);
    visit("rate", sync.rate_kib);
    visit("eta", sync.eta_seconds);
}

void fields(Is<DeviceStatus> auto& device, auto&& visit) {
    visit("volume", device.volume);
    visit("minor", device.minor);
    visit("disk", device.disk);
    visit("device", device.device);
    visit("backing-dev", device.backing_dev);
    visit("frontend", device.frontend);
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
    visit("current-uuid", device.current_uuid);
}

void fields(Is<PeerDeviceStatus> auto& peer_device, auto&& visit) {
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

void fields(Is<ConnectionStatus> auto& connection, auto&& visit) {
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

void fields(Is<ResourceStatus> auto& resource, auto&& visit) {
    visit("name", resource.name);
    visit("role", resource.role);
    visit("suspended", resource.suspended);
    visit("write-ordering", resource.write_ordering);
    visit("degraded", resource.degraded);
    visit("devices", resource.devices);
    visit("connections", resource.connections);
}

void fields(Is<Snapshot> auto& snapshot, auto&& visit) {
    visit("resources", snapshot.resources);
}

void fields(Is<Event> auto& event, auto&& visit) {
    visit("action", event.action);
    visit("object", event.object);
    visit("keys", event.keys);
    visit("state", event.state);
    visit("statistics", event.statistics);
}

}  // namespace control
