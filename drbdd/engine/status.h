// A picture of the engine for people and front ends: plain values, safe to hand to another thread.
#pragma once

#include "base/units.h"
#include "drbdd/engine/rules/state.h"
#include "drbdd/engine/settings.h"
#include "drbdd/io/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace engine {

struct DoneSince {
    io::Duration time{};
    std::uint64_t bits = 0;  // copied or compared in it
};

struct VerifiedRange {
    base::Sector first{};
    base::Sector end{};  // the first one that is not compared
    base::Sector next{};
};

struct ResyncProgress {
    std::uint64_t total_bits = 0;  // at the start
    std::uint64_t left_bits = 0;   // bits still set, or blocks still to be compared
    std::uint64_t failed_bits = 0;
    std::uint64_t equal_bits = 0;           // not transferred, by csums-alg
    io::Duration time{};                    // since the start
    io::Duration paused{};                  // of that
    DoneSince lately;                       // seconds
    DoneSince over_all;                     // up to half a minute
    std::optional<VerifiedRange> verified;  // of a verify
};

struct VolumeStatus {
    VolumeNumber number;
    std::uint32_t minor = 0;
    VolumeState state;
    std::uint64_t size_sectors = 0;  // of the replicated device, 0: unknown yet
    std::uint64_t out_of_sync_bits = 0;
    std::optional<ResyncProgress> resync;
    std::uint64_t current_uuid = 0;
    std::uint64_t bitmap_uuid = 0;
    std::uint64_t history_uuid[2] = {0, 0};
    std::uint32_t md_flags = 0;  // MDF_*, as they are or will be in the superblock
    std::uint32_t agreed_max_bio_bytes = 0;
    bool has_metadata = false;  // these seven are of an attached disk
    // Counters since the volume was created, in the units of drbdsetup status --statistics.
    std::uint64_t read_sectors = 0;
    std::uint64_t written_sectors = 0;
    std::uint64_t received_sectors = 0;
    std::uint64_t sent_sectors = 0;
    std::uint64_t al_writes = 0;
    std::uint64_t bm_writes = 0;
    std::uint64_t upper_pending = 0;         // application requests not completed
    std::uint64_t lower_pending = 0;         // backing-disk operations not completed
    std::uint64_t pending = 0;               // sent to the peer, not yet acknowledged
    std::uint64_t unacked = 0;               // received from the peer, not yet acknowledged
    std::uint64_t ap_in_flight_sectors = 0;  // of the application, sent and not yet acknowledged
    std::uint64_t rs_in_flight_sectors = 0;  // asked for by the resync, not yet written
    const char* held_back_by = nullptr;  // why new writes wait, in one word; nullptr: none waits
    bool was_alone = false;              // Primary without its peer when it last stopped
    bool al_suspended = false;
    bool usable = false;  // application I/O is possible now: Primary with access to good data
    std::uint32_t logical_block_bytes = 512;
    bool rotational = false;
    bool fast_zeroes = false;  // every replica zeroes without data being sent
};

struct ResourceStatus {
    std::string name;
    Role role = Role::Secondary;
    Role peer_role = Role::Unknown;
    ConnState conn = ConnState::StandAlone;  // of the connection: at most Connected
    std::uint32_t agreed_protocol = 0;       // 0 while not connected
    std::string last_error;  // why the connection last ended or was refused, in words
    std::vector<VolumeStatus> volumes;
};

}  // namespace engine
