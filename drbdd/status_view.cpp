#include "drbdd/status_view.h"

#include "base/log.h"
#include "base/units.h"
#include "meta/gi.h"

#include <algorithm>
#include <string>

namespace drbdd {

namespace {

constexpr std::uint64_t kKib = 1024;

std::uint64_t sectors_to_kib(std::uint64_t sectors) {
    return sectors * base::kSectorBytes / kKib;
}

std::uint64_t bits_to_kib(std::uint64_t bits) {
    return bits * base::kBytesPerBit / kKib;
}

std::string protocol_letter(std::uint32_t agreed) {
    return agreed >= 1 && agreed <= 3 ? std::string(1, static_cast<char>('A' + agreed - 1)) : "";
}

// "user,fencing": the words that hold; "no": none does.
std::string suspended_by(std::initializer_list<std::pair<bool, const char*>> words) {
    std::string text;
    for (const auto& [holds, word] : words) {
        if (holds) {
            text += (text.empty() ? "" : ",") + std::string(word);
        }
    }
    return text.empty() ? "no" : text;
}

std::string resync_suspended(const engine::VolumeState& state) {
    return suspended_by(
        {{state.user_isp, "user"}, {state.peer_isp, "peer"}, {state.aftr_isp, "dependency"}});
}

// Of the resource, as DRBD tells it: one of its volumes is enough.
std::string suspended(const engine::ResourceStatus& status) {
    engine::VolumeState any;
    for (const engine::VolumeStatus& volume : status.volumes) {
        any.susp |= volume.state.susp;
        any.susp_nod |= volume.state.susp_nod;
        any.susp_fen |= volume.state.susp_fen;
    }
    return suspended_by({{any.susp, "user"}, {any.susp_nod, "no-data"}, {any.susp_fen, "fencing"}});
}

// Empty without an attached disk.
std::string generations_view(const engine::VolumeStatus& status) {
    if (!status.has_metadata) {
        return "";
    }
    meta::Superblock superblock;
    superblock.current_uuid = status.current_uuid;
    superblock.bitmap_uuid = status.bitmap_uuid;
    superblock.history_uuids = {status.history_uuid[0], status.history_uuid[1]};
    superblock.flags = status.md_flags;
    return meta::gi_line(superblock);
}

control::DeviceStatus device_view(const engine::VolumeStatus& status,
                                  const runtime::VolumeSnapshot& volume) {
    control::DeviceStatus device;
    device.volume = status.number.value;
    device.minor = status.minor;
    device.disk = engine::name(status.state.disk);
    device.device = volume.device;
    device.backing_dev = volume.backing_path;
    device.frontend = volume.frontend;
    device.frontend_note = volume.frontend_note;
    device.open = !volume.users.empty();
    device.size = sectors_to_kib(status.size_sectors);
    device.read = sectors_to_kib(status.read_sectors);
    device.written = sectors_to_kib(status.written_sectors);
    device.al_writes = status.al_writes;
    device.bm_writes = status.bm_writes;
    device.upper_pending = status.upper_pending;
    device.lower_pending = status.lower_pending;
    device.al_suspended = status.al_suspended;
    device.blocked = status.state.frozen() ? "upper" : "no";
    device.held_back_by = status.held_back_by != nullptr ? status.held_back_by : "";
    device.current_uuid = base::hex64(status.current_uuid);
    device.generations = generations_view(status);
    device.agreed_max_bio_bytes = status.agreed_max_bio_bytes;
    return device;
}

std::uint64_t milliseconds_of(io::Duration time) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

control::DoneSince done_view(const engine::DoneSince& done) {
    return {milliseconds_of(done.time), bits_to_kib(done.bits) * 2};
}

control::SyncProgress progress_view(const engine::ResyncProgress& from) {
    control::SyncProgress progress;
    progress.total_kib = bits_to_kib(from.total_bits);
    progress.left_kib = bits_to_kib(from.left_bits);
    progress.failed_kib = bits_to_kib(from.failed_bits);
    progress.equal_kib = bits_to_kib(from.equal_bits);
    progress.ms = milliseconds_of(from.time);
    progress.paused_ms = milliseconds_of(from.paused);
    progress.last = done_view(from.lately);
    progress.oldest = done_view(from.over_all);
    if (from.verified) {
        progress.verified = {
            from.verified->first.value, from.verified->end.value, from.verified->next.value};
    }
    return progress;
}

control::PeerDeviceStatus peer_device_view(const engine::VolumeStatus& status) {
    control::PeerDeviceStatus peer;
    peer.volume = status.number.value;
    peer.cstate = engine::name(status.state.conn);
    peer.peer_disk = engine::name(status.state.pdsk);
    peer.resync_suspended = resync_suspended(status.state);
    peer.received = sectors_to_kib(status.received_sectors);
    peer.sent = sectors_to_kib(status.sent_sectors);
    peer.out_of_sync = bits_to_kib(status.out_of_sync_bits);
    peer.pending = status.pending;
    peer.unacked = status.unacked;
    if (status.resync) {
        peer.sync = progress_view(*status.resync);
    }
    return peer;
}

}  // namespace

control::ResourceStatus status_view(const runtime::ResourceSnapshot& snapshot) {
    const engine::ResourceStatus& status = snapshot.status;
    control::ResourceStatus view;
    view.name = status.name;
    view.role = engine::name(status.role);
    control::ConnectionStatus connection;
    connection.peer = snapshot.settings->peer;
    connection.cstate = engine::name(status.conn);
    connection.peer_role = engine::name(status.peer_role);
    connection.protocol = protocol_letter(status.agreed_protocol);
    connection.last_error = status.last_error;
    connection.congested = snapshot.congested;
    for (std::size_t index = 0; index < status.volumes.size(); ++index) {
        const engine::VolumeStatus& volume = status.volumes[index];
        view.devices.push_back(device_view(volume, snapshot.volumes[index]));
        connection.peer_devices.push_back(peer_device_view(volume));
        connection.ap_in_flight_sectors += volume.ap_in_flight_sectors;
        connection.rs_in_flight_sectors += volume.rs_in_flight_sectors;
        view.degraded = view.degraded || volume.was_alone;
    }
    view.suspended = suspended(status);
    view.connections.push_back(std::move(connection));
    return view;
}

}  // namespace drbdd
