// What the engine needs to know of the configuration: typed, in the engine's units. Made from
// drbd.conf by the daemon's assembly; the defaults are DRBD's. Wire specification, section 12.
#pragma once

#include "drbdd/engine/peer/peer_budget.h"
#include "drbdd/engine/rules/policies.h"
#include "drbdd/io/time.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace engine {

// Number of a volume within its resource, as on the wire.
struct VolumeNumber {
    std::uint16_t value = 0;
    auto operator<=>(const VolumeNumber&) const = default;
};

enum class OnIoError : std::uint8_t { PassOn, CallLocalIoError, Detach };

struct NetSettings {
    ReplicationProtocol protocol = ReplicationProtocol::C;
    io::Duration timeout = std::chrono::seconds(6);
    io::Duration connect_int = std::chrono::seconds(10);
    io::Duration ping_int = std::chrono::seconds(10);
    io::Duration ping_timeout = std::chrono::milliseconds(500);
    io::Duration socket_check_timeout = io::Duration::zero();  // zero: ping_timeout
    std::uint32_t ko_count = 7;                                // zero: off
    std::uint32_t max_epoch_size = 2048;
    std::uint32_t max_buffers = 2048;  // 4 KiB pages of peer writes and resync blocks in memory
    AfterSplitBrain after_sb_0p = AfterSplitBrain::Disconnect;
    AfterSplitBrain after_sb_1p = AfterSplitBrain::Disconnect;
    AfterSplitBrain after_sb_2p = AfterSplitBrain::Disconnect;
    RrConflict rr_conflict = RrConflict::Disconnect;
    bool always_asbp = false;
    // What is kept for the peer, see peer_budget.h; only tests make it less.
    std::uint64_t peer_budget = budget::kMostKept;
    std::uint64_t reply_window = budget::kReplyWindow;
    OnCongestion on_congestion = OnCongestion::Block;  // under protocol A
    std::uint32_t congestion_fill = 0;                 // sectors on their way; 0: any number
    std::uint32_t congestion_extents = 1237;           // of the activity log, in use
    bool use_rle = true;
    bool explicit_flush = true;  // offered to the peer; tests leave it out, as the kernel does
    std::string cram_hmac_alg;   // empty: no authentication; else "sha1", "sha256", "md5"...
    std::string shared_secret;
    std::string integrity_alg;  // goes with the data; empty: no digests do
    std::string verify_alg;     // of an online verify; empty: none can be done
    std::string csums_alg;      // of a resync that compares before it copies; empty: none does
    bool csums_after_crash_only = false;
};

struct DiskSettings {
    OnIoError on_io_error = OnIoError::Detach;
    std::uint32_t al_extents = 1237;
    bool disk_flushes = true;
    bool md_flushes = true;
    std::uint64_t size_sectors = 0;  // explicit `size`, 0: none
    ReadBalancing read_balancing = ReadBalancing::PreferLocal;
    // A disk that has not answered for so long is given up; zero: it is waited for.
    io::Duration disk_timeout = io::Duration::zero();
    // Resync speed. Without a rate of the user's the resync takes what the application leaves over.
    bool resync_rate_fixed = false;       // c-plan-ahead 0: resync_rate is what is used
    std::uint32_t resync_rate_kib = 250;  // KiB/s
    std::uint32_t c_plan_ahead = 20;      // 0.1 s
    std::uint32_t c_delay_target = 10;    // 0.1 s
    std::uint32_t c_fill_target = 100;    // sectors
    std::uint32_t c_max_rate_kib = 0;     // KiB/s; 0: not set by the user, no ceiling of ours
    std::uint32_t c_min_rate_kib = 250;   // KiB/s left to the resync while the application is busy
};

struct VolumeSettings {
    VolumeNumber number;
    std::uint32_t minor = 0;
    DiskSettings disk;
};

struct ResourceSettings {
    std::string name;
    Fencing fencing = Fencing::DontCare;
    OnNoData on_no_data = OnNoData::IoError;
    NetSettings net;
    std::vector<VolumeSettings> volumes;  // ascending by number

    FreezePolicy freeze_policy() const { return {fencing, on_no_data}; }

    StatePolicy state_policy() const { return {fencing, !net.verify_alg.empty()}; }
};

}  // namespace engine
