// drbdsetup status --json: the keys of DRBD 9, which exporters and scripts read.
// Configuration specification, section 9.3.
#include "cli/common/status_text.h"

#include <cmath>

namespace cli {

namespace {

using control::Json;

constexpr std::uint64_t kEtaUnknown = 987654321;

double rounded(double value) {
    return std::round(value * 100.0) / 100.0;
}

Json device_json(const control::DeviceStatus& device) {
    return {{"volume", device.volume},
            {"minor", device.minor},
            {"disk-state", device.disk},
            {"client", false},
            {"quorum", true},
            {"size", device.size},
            {"read", device.read},
            {"written", device.written},
            {"al-writes", device.al_writes},
            {"bm-writes", device.bm_writes},
            {"upper-pending", device.upper_pending},
            {"lower-pending", device.lower_pending},
            // ours
            {"device", device.device},
            {"backing-dev", device.backing_dev},
            {"frontend", device.frontend},
            {"frontend-note", device.frontend_note},
            {"open", device.open},
            {"current-uuid", device.current_uuid}};
}

double percent_in_sync(std::uint64_t out_of_sync, std::uint64_t size) {
    if (size == 0) {
        return 0.0;
    }
    return rounded(100.0 * (1.0 - static_cast<double>(out_of_sync) / static_cast<double>(size)));
}

// Sectors and milliseconds. "want" is the speed that DRBD's controller aims at: ours aims at none.
void add_progress(Json& json, const control::SyncProgress& sync) {
    json["rs-total"] = sync.total_kib * 2;
    json["rs-dt-start-ms"] = sync.ms;
    json["rs-paused-ms"] = sync.paused_ms;
    json["rs-dt0-ms"] = sync.last.ms;
    json["rs-db0-sectors"] = sync.last.sectors;
    json["rs-dt1-ms"] = sync.oldest.ms;
    json["rs-db1-sectors"] = sync.oldest.sectors;
    if (sync.verified) {
        json["ov-start-sector"] = sync.verified->start;
        json["ov-stop-sector"] = sync.verified->stop;
        json["ov-position"] = sync.verified->position;
        json["ov-left"] = sync.left_kib * 2;
        json["ov-skipped"] = 0;  // each block is compared
    } else {
        json["rs-failed"] = sync.failed_kib * 2;
        json["rs-same-csum"] = sync.equal_kib * 2;
    }
    json["want"] = 0.0;
    json["db0/dt0 [MiB/s]"] = rounded(sync.last.mib_per_second());
    json["db1/dt1 [MiB/s]"] = rounded(sync.oldest.mib_per_second());
    json["estimated-seconds-to-finish"] = sync.eta_seconds().value_or(kEtaUnknown);
    json["db/dt [MiB/s]"] = rounded(sync.mib_per_second());
    json["percent-resync-done"] = rounded(sync.percent_done());
}

Json peer_device_json(const control::PeerDeviceStatus& peer_device, std::uint64_t size) {
    const bool verify = peer_device.cstate == "VerifyS" || peer_device.cstate == "VerifyT";
    Json json = {{"volume", peer_device.volume},
                 {"replication-state", control::replication_word(peer_device.cstate)},
                 {"peer-disk-state", peer_device.peer_disk},
                 {"peer-client", false},
                 {"resync-suspended", peer_device.resync_suspended},
                 {"received", peer_device.received},
                 {"sent", peer_device.sent},
                 {"out-of-sync", peer_device.out_of_sync},
                 {"pending", peer_device.pending},
                 {"unacked", peer_device.unacked},
                 {"has-sync-details", peer_device.sync.has_value()},
                 {"has-online-verify-details", peer_device.sync.has_value() && verify},
                 {"percent-in-sync", percent_in_sync(peer_device.out_of_sync, size)}};
    if (peer_device.sync) {
        add_progress(json, *peer_device.sync);
    }
    return json;
}

Json connection_json(const control::ResourceStatus& resource,
                     const control::ConnectionStatus& connection) {
    Json peer_devices = Json::array();
    for (const control::PeerDeviceStatus& peer_device : connection.peer_devices) {
        std::uint64_t size = 0;
        for (const control::DeviceStatus& device : resource.devices) {
            size = device.volume == peer_device.volume ? device.size : size;
        }
        peer_devices.push_back(peer_device_json(peer_device, size));
    }
    return {{"peer-node-id", 0},
            {"name", connection.peer},
            {"connection-state", control::connection_word(connection.cstate)},
            {"congested", connection.congested},
            {"peer-role", connection.peer_role},
            {"ap-in-flight", connection.ap_in_flight_sectors},
            {"rs-in-flight", connection.rs_in_flight_sectors},
            {"last-error", connection.last_error},  // ours
            {"peer_devices", peer_devices}};
}

bool has_word(const std::string& list, const std::string& word) {
    return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

Json resource_json(const control::ResourceStatus& resource) {
    Json devices = Json::array();
    for (const control::DeviceStatus& device : resource.devices) {
        devices.push_back(device_json(device));
    }
    Json connections = Json::array();
    for (const control::ConnectionStatus& connection : resource.connections) {
        connections.push_back(connection_json(resource, connection));
    }
    return {{"name", resource.name},
            {"node-id", -1},
            {"role", resource.role},
            {"suspended", resource.suspended != "no"},
            {"suspended-user", has_word(resource.suspended, "user")},
            {"suspended-no-data", has_word(resource.suspended, "no-data")},
            {"suspended-fencing", has_word(resource.suspended, "fencing")},
            {"suspended-quorum", false},
            {"force-io-failures", false},
            {"write-ordering", resource.write_ordering},
            {"devices", devices},
            {"connections", connections}};
}

}  // namespace

std::string status_json(const control::Snapshot& snapshot) {
    Json json = Json::array();
    for (const control::ResourceStatus& resource : snapshot.resources) {
        json.push_back(resource_json(resource));
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cli
