// Attaching a backing disk: read and judge the superblock, replay the activity log if the node
// crashed as Primary, read the bitmap. Reads only, until the result is known to be good; then
// writes in the order bitmap, activity log, superblock, so that a crash in between repeats the
// whole. Metadata specification, sections 2.5, 6 and 7.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/local_disk.h"
#include "drbdd/engine/volume/meta_store.h"

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

class Attacher {
public:
    Attacher(Core& core, LocalDisk& disk, MetaStore& store, Bitmap& bitmap, ActivityLog& log)
        : core_(core), disk_(disk), store_(store), bitmap_(bitmap), log_(log) {}

    void start(const DiskSettings& settings);

    bool running() const { return phase_ != Phase::Idle; }

    // An attempt that is over is forgotten by the next start().
    bool failed() const { return !error_.empty(); }

    const std::string& error() const { return error_; }

    int error_code() const { return error_code_; }  // ERR_* of drbdsetup

    // True once after everything is read and repaired: the store is open, the bitmap loaded and the
    // log empty on disk. The superblock on disk still has its old flags: the caller derives the new
    // ones.
    bool take_finished();

    // Begun, and not ended by take_finished() or a failure.
    bool unfinished() const { return running() || finished_; }

    bool crashed_primary() const { return crashed_primary_; }

    std::uint64_t size_sectors() const { return size_sectors_; }

    std::uint64_t marked_kib() const { return marked_kib_; }  // by the replay

    bool all_bits_set_needed() const { return set_all_; }

    void on_disk_done(const DiskTicket& ticket, int error);
    void advance();

    // Of no use after all: the operations that are under way lead to nothing more.
    void abort(int code, const std::string& why) { fail(code, why); }

private:
    enum class Phase : std::uint8_t {
        Idle,
        ReadSuperblock,
        SearchOldEnds,
        ReadLog,
        ReadBitmap,
        WriteBitmap,
        FlushBitmap,
        WriteSuperblock,
        WriteLog,
        Finished,
    };

    void place(const io::DiskGeometry& geometry);
    void fail(int code, std::string text);
    void read(base::Sector sector, std::uint64_t bytes);
    void read_next();
    void on_superblock(base::ConstBytes block);
    void search_old_ends(int code, std::string text);
    void on_old_end(base::ConstBytes block);
    void read_old_end();
    void on_log();
    void prepare_bitmap();
    void on_bitmap_chunk(base::ConstBytes bytes);
    void mark_active(base::AlExtent extent);
    void on_bitmap_read();
    bool choose_size();
    void write_clean_superblock();
    void begin_log();
    void write_log();

    Core& core_;
    LocalDisk& disk_;
    MetaStore& store_;
    Bitmap& bitmap_;
    ActivityLog& log_;

    Phase phase_ = Phase::Idle;
    bool finished_ = false;
    DiskSettings settings_;
    std::string error_;
    int error_code_ = 0;
    meta::Placement placement_;
    std::uint64_t meta_device_bytes_ = 0;
    meta::Layout layout_;
    meta::Superblock superblock_;
    std::vector<std::uint8_t> ring_;  // the log as read
    std::vector<base::AlExtent> active_;
    bool replayed_ = false;
    bool crashed_primary_ = false;
    bool set_all_ = false;
    std::uint64_t size_sectors_ = 0;
    std::uint64_t marked_kib_ = 0;

    std::vector<std::uint64_t> old_ends_;  // places still to be looked at, the last one first
    int search_code_ = 0;                  // the verdict if nothing is found there
    std::string search_text_;

    base::Sector position_;   // of the area being read or written
    std::uint64_t left_ = 0;  // bytes of it still to go
    std::uint64_t next_page_ = 0;
    MetaStore::Ticket ticket_ = 0;
};

}  // namespace engine
