#include "drbdd/runtime/engine_settings.h"

#include "base/require.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace runtime {

namespace {

using engine::AfterSplitBrain;

engine::ReplicationProtocol protocol(config::Protocol value) {
    switch (value) {
        case config::Protocol::A:
            return engine::ReplicationProtocol::A;
        case config::Protocol::B:
            return engine::ReplicationProtocol::B;
        case config::Protocol::C:
            return engine::ReplicationProtocol::C;
    }
    REQUIRE(false);
}

AfterSplitBrain after_sb(config::AfterSb0Pri value) {
    switch (value) {
        case config::AfterSb0Pri::Disconnect:
            return AfterSplitBrain::Disconnect;
        case config::AfterSb0Pri::DiscardYoungerPrimary:
            return AfterSplitBrain::DiscardYoungerPrimary;
        case config::AfterSb0Pri::DiscardOlderPrimary:
            return AfterSplitBrain::DiscardOlderPrimary;
        case config::AfterSb0Pri::DiscardZeroChanges:
            return AfterSplitBrain::DiscardZeroChanges;
        case config::AfterSb0Pri::DiscardLeastChanges:
            return AfterSplitBrain::DiscardLeastChanges;
        case config::AfterSb0Pri::DiscardLocal:
            return AfterSplitBrain::DiscardLocal;
        case config::AfterSb0Pri::DiscardRemote:
            return AfterSplitBrain::DiscardRemote;
    }
    REQUIRE(false);
}

AfterSplitBrain after_sb(config::AfterSb1Pri value) {
    switch (value) {
        case config::AfterSb1Pri::Disconnect:
            return AfterSplitBrain::Disconnect;
        case config::AfterSb1Pri::Consensus:
            return AfterSplitBrain::Consensus;
        case config::AfterSb1Pri::ViolentlyAs0p:
            return AfterSplitBrain::ViolentlyAs0p;
        case config::AfterSb1Pri::DiscardSecondary:
            return AfterSplitBrain::DiscardSecondary;
        case config::AfterSb1Pri::CallPriLostAfterSb:
            return AfterSplitBrain::CallPriLostAfterSb;
    }
    REQUIRE(false);
}

AfterSplitBrain after_sb(config::AfterSb2Pri value) {
    switch (value) {
        case config::AfterSb2Pri::Disconnect:
            return AfterSplitBrain::Disconnect;
        case config::AfterSb2Pri::ViolentlyAs0p:
            return AfterSplitBrain::ViolentlyAs0p;
        case config::AfterSb2Pri::CallPriLostAfterSb:
            return AfterSplitBrain::CallPriLostAfterSb;
    }
    REQUIRE(false);
}

engine::RrConflict rr_conflict(config::RrConflict value) {
    switch (value) {
        case config::RrConflict::Disconnect:
            return engine::RrConflict::Disconnect;
        case config::RrConflict::Violently:
            return engine::RrConflict::Violently;
        case config::RrConflict::CallPriLost:
            return engine::RrConflict::CallPriLost;
    }
    REQUIRE(false);
}

engine::OnIoError on_io_error(config::OnIoError value) {
    switch (value) {
        case config::OnIoError::PassOn:
            return engine::OnIoError::PassOn;
        case config::OnIoError::CallLocalIoError:
            return engine::OnIoError::CallLocalIoError;
        case config::OnIoError::Detach:
            return engine::OnIoError::Detach;
    }
    REQUIRE(false);
}

static_assert(static_cast<int>(config::OnCongestion::Disconnect) ==
              static_cast<int>(engine::OnCongestion::Disconnect));

engine::ReadBalancing read_balancing(config::ReadBalancing value) {
    static_assert(static_cast<int>(config::ReadBalancing::Striping1M) ==
                  static_cast<int>(engine::ReadBalancing::Striping1M));  // both in DRBD's order
    return static_cast<engine::ReadBalancing>(value);
}

engine::Fencing fencing(config::Fencing value) {
    switch (value) {
        case config::Fencing::DontCare:
            return engine::Fencing::DontCare;
        case config::Fencing::ResourceOnly:
            return engine::Fencing::ResourceOnly;
        case config::Fencing::ResourceAndStonith:
            return engine::Fencing::ResourceAndStonith;
    }
    REQUIRE(false);
}

engine::NetSettings net_settings(const config::NetSettings& from) {
    engine::NetSettings net;
    net.protocol = protocol(from.protocol);
    net.timeout = from.timeout;
    net.connect_int = from.connect_int;
    net.ping_int = from.ping_int;
    net.ping_timeout = from.ping_timeout;
    net.socket_check_timeout = from.socket_check_timeout;
    net.ko_count = from.ko_count;
    net.max_epoch_size = from.max_epoch_size;
    net.max_buffers = from.max_buffers;
    net.after_sb_0p = after_sb(from.after_sb_0pri);
    net.after_sb_1p = after_sb(from.after_sb_1pri);
    net.after_sb_2p = after_sb(from.after_sb_2pri);
    net.rr_conflict = rr_conflict(from.rr_conflict);
    net.always_asbp = from.always_asbp;
    net.on_congestion = static_cast<engine::OnCongestion>(from.on_congestion);
    net.congestion_fill = from.congestion_fill_sectors;
    net.congestion_extents = from.congestion_extents;
    net.use_rle = from.use_rle;
    net.cram_hmac_alg = from.cram_hmac_alg;
    net.shared_secret = from.shared_secret;
    net.integrity_alg = from.data_integrity_alg;
    net.verify_alg = from.verify_alg;
    net.csums_alg = from.csums_alg;
    net.csums_after_crash_only = from.csums_after_crash_only;
    return net;
}

std::uint32_t deciseconds(config::Deciseconds value) {
    return static_cast<std::uint32_t>(value.count());
}

engine::DiskSettings disk_settings(const config::DiskSettings& from) {
    engine::DiskSettings disk;
    disk.on_io_error = on_io_error(from.on_io_error);
    disk.al_extents = from.al_extents;
    // There are no barriers below us: whoever asks for them gets the order by flushes.
    disk.disk_flushes = from.disk_flushes || from.disk_barrier;
    disk.md_flushes = from.md_flushes;
    disk.size_sectors = from.size_sectors;
    disk.disk_timeout = from.disk_timeout;
    disk.read_balancing = read_balancing(from.read_balancing);
    disk.resync_rate_fixed = from.c_plan_ahead.count() == 0;
    disk.resync_rate_kib = from.resync_rate_kib;
    disk.c_plan_ahead = deciseconds(from.c_plan_ahead);
    disk.c_delay_target = deciseconds(from.c_delay_target);
    disk.c_fill_target = from.c_fill_target_sectors;
    disk.c_max_rate_kib = from.c_max_rate_kib.value_or(0);
    disk.c_min_rate_kib = from.c_min_rate_kib;
    return disk;
}

// The word of the file that means this policy.
template <typename Policy>
void take(Policy& member, AfterSplitBrain wanted) {
    for (std::size_t i = 0; i < config::words<Policy>().size(); ++i) {
        if (after_sb(static_cast<Policy>(i)) == wanted) {
            member = static_cast<Policy>(i);
        }
    }
}

}  // namespace

void adopt(config::NetSettings& net, const engine::SettingsAdopted& adopted) {
    for (const auto value : {config::Protocol::A, config::Protocol::B, config::Protocol::C}) {
        net.protocol = protocol(value) == adopted.protocol ? value : net.protocol;
    }
    take(net.after_sb_0pri, adopted.after_sb_0p);
    take(net.after_sb_1pri, adopted.after_sb_1p);
    take(net.after_sb_2pri, adopted.after_sb_2p);
    net.data_integrity_alg = adopted.integrity_alg;
    net.verify_alg = adopted.verify_alg;
    net.csums_alg = adopted.csums_alg;
}

engine::ResourceSettings engine_settings(const config::ResourceSettings& settings) {
    engine::ResourceSettings result;
    result.name = settings.name;
    result.net = net_settings(settings.net);
    config::Fencing strictest = settings.net.fencing;
    for (const config::VolumeSettings& volume : settings.volumes) {
        strictest = std::max(strictest, volume.options.fencing);
        result.volumes.push_back({{volume.number}, volume.minor, disk_settings(volume.options)});
    }
    result.fencing = fencing(strictest);
    result.on_no_data = settings.on_no_data == config::OnNoData::SuspendIo
                            ? engine::OnNoData::SuspendIo
                            : engine::OnNoData::IoError;
    return result;
}

TcpSettings tcp_settings(const config::ResourceSettings& settings) {
    TcpSettings result;
    result.local = settings.address;
    result.peer = settings.peer_address;
    result.sndbuf_bytes = settings.net.sndbuf_size_bytes;
    result.rcvbuf_bytes = settings.net.rcvbuf_size_bytes;
    return result;
}

}  // namespace runtime
