// Internal metadata follows the end of a disk that has grown. All of it is written to its new place
// while the old one is in force; one block, the new superblock, makes the change. Until that is
// durable a crash finds everything as it was, at the disk's old end; from then on everything is at
// the new one. Metadata specification, sections 13 and 14.
//
// Nobody starts a write meanwhile: the activity log is closed, and is empty afterwards.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/activity_log.h"
#include "drbdd/engine/volume/bitmap.h"
#include "drbdd/engine/volume/disk_ticket.h"
#include "drbdd/engine/volume/local_disk.h"
#include "drbdd/engine/volume/meta_store.h"
#include "meta/geometry.h"

#include <cstdint>
#include <utility>

namespace engine {

class MetaMove {
public:
    MetaMove(Core& core, LocalDisk& disk, MetaStore& store, Bitmap& bitmap, ActivityLog& log)
        : core_(core), disk_(disk), store_(store), bitmap_(bitmap), log_(log) {}

    // True if no byte of the new place is one of the old: else a crash could find neither.
    static bool is_apart(const meta::Layout& old_place, const meta::Layout& new_place);

    // The places have to be apart. The device will have `sectors`; the bits of what is added are
    // set, or not.
    void start(const meta::Layout& to, std::uint64_t sectors, bool set_new_bits);

    bool running() const { return phase_ != Phase::Idle; }

    // True once after the move came to its end.
    bool take_finished() { return std::exchange(finished_, false); }

    std::uint64_t sectors() const { return sectors_; }

    void advance();
    // Completion of an operation of DiskUser::MetaMove that succeeded.
    void on_disk_done();
    void on_disk_lost();

private:
    // Each of the last six has one operation at the disk.
    enum class Phase : std::uint8_t {
        Idle,
        LogCloses,
        StoreRests,
        Clear,
        Log,
        Pages,
        Flush,
        Commit,
        Wipe
    };

    void begin();
    void write_log();
    void write_pages();
    void commit();
    void wipe();
    void finish();
    io::Slice block() const;
    void submit(io::DiskOp::Kind kind, base::Sector sector, io::Slice buffer, bool fua);

    Core& core_;
    LocalDisk& disk_;
    MetaStore& store_;
    Bitmap& bitmap_;
    ActivityLog& log_;
    Phase phase_ = Phase::Idle;
    bool finished_ = false;
    meta::Layout from_;
    meta::Layout to_;
    std::uint64_t sectors_ = 0;
    bool set_new_bits_ = true;
    std::uint64_t done_ = 0;  // bytes of the log, or pages of the bitmap
};

}  // namespace engine
