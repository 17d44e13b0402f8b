// All writing of a volume's metadata: the superblock, pages of the bitmap and transactions of the
// activity log, in the order that makes every crash point safe. Metadata specification,
// sections 4.5, 4.6, 5.1 and 9.
//
//   superblock   what the data writes completed so far are flushed first; the block then goes out
//   FUA. bitmap page  after the data whose bits it shows as cleared are stable; itself made stable
//   by the
//                next flush.
//   log block    after the data and the changed bitmap pages of every extent that it evicts are
//   stable.
//
// Nothing here waits: a caller keeps the generation or ticket and asks whether it is durable.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/rules/generation_ids.h"
#include "drbdd/engine/rules/lineage.h"
#include "drbdd/engine/volume/activity_log.h"
#include "drbdd/engine/volume/bitmap.h"
#include "drbdd/engine/volume/local_disk.h"
#include "meta/geometry.h"
#include "meta/superblock.h"

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace engine {

class MetaStore {
public:
    MetaStore(Core& core, LocalDisk& disk, Bitmap& bitmap, ActivityLog& log)
        : core_(core), disk_(disk), bitmap_(bitmap), log_(log) {}

    void open(const meta::Layout& layout, const meta::Superblock& superblock, bool md_flushes);
    void close();

    // The attach has stored it: a crash finds its flags until the next one is written.
    void note_clean_superblock(const meta::Superblock& stored) { flags_on_disk_ = stored.flags; }

    bool is_open() const { return open_; }

    const meta::Layout& layout() const { return layout_; }

    // --- Superblock. Change the values, then touch(). ---
    meta::Superblock& superblock() { return superblock_; }

    const meta::Superblock& superblock() const { return superblock_; }

    GenerationIds ids() const;

    // Which of them a crash now would find.
    const StoredCurrents& stored_currents() const { return stored_currents_; }

    void set_ids(const GenerationIds& ids);  // touches

    using Generation = std::uint64_t;

    Generation touch() {
        core_.progress = true;
        return ++generation_;
    }

    Generation generation() const { return generation_; }

    // True as well when there is no disk to wait for.
    bool durable(Generation generation) const { return !open_ || durable_ >= generation; }

    bool clean() const { return durable(generation_); }

    // What a crash now would find in the superblock.
    bool on_disk(meta::MdFlag flag) const {
        return (flags_on_disk_ & static_cast<std::uint32_t>(flag)) != 0;
    }

    // --- Bitmap ---
    using Ticket = std::uint64_t;
    Ticket write_bitmap();  // all pages that have changed by the time the writing starts

    bool bitmap_written(Ticket ticket) const { return !open_ || pages_done_ >= ticket; }

    // The same, and then a flush: without one a power cut, however much later, brings the bits of a
    // resync back that ended long ago, and all of them are copied again.
    void settle_bitmap() { settling_ = write_bitmap(); }

    // Sets all bits, or only rewrites what has changed, under the protection of the FULL_SYNC flag:
    // a crash in between counts as "all bits set".
    void start_full_sync(bool set_all);

    bool full_sync_running() const { return full_sync_ != FullSync::Idle; }

    // Nothing is begun until go_on(), while the metadata move.
    void hold() { held_ = true; }

    void go_on() { held_ = false; }

    // Nothing is under way at the disk. A full sync that was asked for while this is held begins
    // afterwards.
    bool at_rest() const {
        return super_ == Super::Idle && al_ == Al::Idle && pages_in_flight_ == 0 &&
               !batch_flushing_;
    }

    // The superblock as it has to be at another place, of a device of `sectors`.
    meta::Superblock superblock_at(const meta::Layout& layout, std::uint64_t sectors) const;
    // It is durable there, and everything else is.
    void moved(const meta::Layout& layout, std::uint64_t sectors);

    // The data's device has grown under external metadata.
    void note_room(std::uint64_t usable_sectors) { layout_.usable_sectors = usable_sectors; }

    // Starts what can be started. Call it after every change.
    void advance();
    // Completion of an operation of DiskUser::MetaStore; true if it succeeded.
    void on_disk_done(const DiskTicket& ticket);

    // When the disk was attached, its flags said: Primary, without the peer.
    bool was_alone() const { return was_alone_; }

    std::uint64_t al_writes() const { return al_writes_; }

    std::uint64_t bm_writes() const { return bm_writes_; }

private:
    enum Key : std::uint64_t {
        kSuperFlush,
        kSuperWrite,
        kPageFlush,
        kPageWrite,
        kAlFlush,
        kAlWrite
    };
    enum class Super : std::uint8_t { Idle, Flushing, Writing };
    enum class Al : std::uint8_t { Idle, Pages, Flushing, Writing };
    enum class FullSync : std::uint8_t { Idle, Flagging, Writing, Clearing };

    void advance_superblock();
    void advance_pages();
    void advance_log();
    void advance_full_sync();
    void submit_superblock();
    void submit_log_block();
    void start_page_run();
    void take_batch();
    void submit_batch();
    void submit(Key key, io::DiskOp::Kind kind, base::Sector sector, io::Slice buffer, bool fua);

    Core& core_;
    LocalDisk& disk_;
    Bitmap& bitmap_;
    ActivityLog& log_;
    bool open_ = false;
    bool md_flushes_ = true;
    bool held_ = false;
    meta::Layout layout_;
    meta::Superblock superblock_;

    Super super_ = Super::Idle;
    io::Slice super_block_;
    Generation generation_ = 0;
    Generation writing_ = 0;
    Generation durable_ = 0;
    StoredCurrents stored_currents_{};
    std::uint32_t flags_writing_ = 0;
    std::uint32_t flags_on_disk_ = 0;
    bool was_alone_ = false;

    Ticket pages_wanted_ = 0;
    Ticket pages_running_ = 0;
    Ticket pages_done_ = 0;
    std::optional<Ticket> settling_;
    bool want_all_pages_ = false;
    std::set<std::uint64_t> want_pages_;

    struct PageWrite {
        std::uint64_t first_page;
        io::Slice content;
    };

    std::vector<std::uint64_t> run_;  // pages still to be taken, last first
    std::vector<PageWrite> batch_;    // copies that wait for the flush, or are just being submitted
    bool batch_flushing_ = false;
    std::uint32_t pages_in_flight_ = 0;
    bool pages_unflushed_ = false;  // written since the last flush was submitted

    Al al_ = Al::Idle;
    Ticket al_ticket_ = 0;
    bool al_evicts_ = false;  // the transaction takes extents out of the log
    FullSync full_sync_ = FullSync::Idle;
    bool set_all_ = false;
    Generation full_sync_generation_ = 0;
    Ticket full_sync_ticket_ = 0;

    std::uint64_t al_writes_ = 0;
    std::uint64_t bm_writes_ = 0;
};

}  // namespace engine
