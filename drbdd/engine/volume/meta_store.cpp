#include "drbdd/engine/volume/meta_store.h"

#include "base/require.h"
#include "meta/activity_log.h"

#include <algorithm>

namespace engine {

namespace {

constexpr std::uint32_t kMaxPageWrites = 8;   // in flight
constexpr std::uint64_t kPagesPerWrite = 64;  // 256 KiB

}  // namespace

void MetaStore::open(const meta::Layout& layout,
                     const meta::Superblock& superblock,
                     bool md_flushes) {
    layout_ = layout;
    superblock_ = superblock;
    md_flushes_ = md_flushes;
    open_ = true;
    held_ = false;
    super_ = Super::Idle;
    al_ = Al::Idle;
    full_sync_ = FullSync::Idle;
    durable_ = generation_;
    stored_currents_ = {superblock.current_uuid, superblock.current_uuid};
    flags_on_disk_ = superblock.flags;
    if (superblock.is_clean()) {  // the log is not read, whoever was Primary (`drbdmeta apply-al`)
        flags_on_disk_ &= ~static_cast<std::uint32_t>(meta::kMdPrimaryInd);
    }
    was_alone_ = superblock.has(meta::kMdPrimaryInd) && !superblock.has(meta::kMdConnectedInd);
    pages_done_ = pages_wanted_;
    settling_.reset();
    want_all_pages_ = false;
    want_pages_.clear();
    run_.clear();
    batch_.clear();
    batch_flushing_ = false;
    pages_in_flight_ = 0;
    pages_unflushed_ = false;
}

void MetaStore::close() {
    open_ = false;
    batch_.clear();
    super_block_ = {};
    full_sync_ = FullSync::Idle;
}

GenerationIds MetaStore::ids() const {
    return {superblock_.current_uuid, superblock_.bitmap_uuid, superblock_.history_uuids};
}

void MetaStore::set_ids(const GenerationIds& ids) {
    superblock_.current_uuid = ids.current;
    superblock_.bitmap_uuid = ids.bitmap;
    superblock_.history_uuids = ids.history;
    touch();
}

MetaStore::Ticket MetaStore::write_bitmap() {
    want_all_pages_ = true;
    core_.progress = true;
    return ++pages_wanted_;
}

void MetaStore::start_full_sync(bool set_all) {
    if (set_all) {
        bitmap_.set_all();
    }
    set_all_ = set_all_ || set_all;
    superblock_.flags |= meta::kMdFullSync;
    full_sync_generation_ = touch();
    full_sync_ = FullSync::Flagging;
}

void MetaStore::advance() {
    if (!open_ || held_ || !disk_.accepts()) {
        return;
    }
    advance_full_sync();
    advance_log();
    advance_pages();
    if (settling_ && pages_done_ >= *settling_) {
        settling_.reset();
        touch();  // a flush goes before each superblock
    }
    advance_superblock();
}

meta::Superblock MetaStore::superblock_at(const meta::Layout& layout, std::uint64_t sectors) const {
    meta::Superblock moved = superblock_;
    moved.clean_magic = false;
    moved.flags &= ~static_cast<std::uint32_t>(meta::kMdAlClean);
    moved.la_size_sectors = sectors;
    moved.md_size_sectors = static_cast<std::uint32_t>(layout.md_size_sectors);
    moved.al_offset = layout.al_offset;
    moved.bm_offset = layout.bm_offset;
    return moved;
}

void MetaStore::moved(const meta::Layout& layout, std::uint64_t sectors) {
    REQUIRE(held_ && at_rest());
    superblock_ = superblock_at(layout, sectors);
    layout_ = layout;
    touch();  // what was changed since the block was made
}

// --- Superblock ---

void MetaStore::advance_superblock() {
    if (super_ != Super::Idle || durable_ == generation_) {
        return;
    }
    // Without the mark of a Primary the activity log is not replayed any more: from then on the
    // bitmap on disk has to speak for itself.
    const bool was_primary = (flags_on_disk_ & meta::kMdPrimaryInd) != 0;
    if (was_primary && !superblock_.has(meta::kMdPrimaryInd) && pages_done_ < pages_wanted_) {
        return;
    }
    // The block is made now: it must not speak of anything that the flush below does not cover.
    writing_ = generation_;
    super_block_ = core_.pool.allocate_slice(meta::kBlockBytes);
    superblock_.clean_magic = false;
    superblock_.flags &= ~static_cast<std::uint32_t>(meta::kMdAlClean);
    flags_writing_ = superblock_.flags;
    stored_currents_[1] = superblock_.current_uuid;
    meta::encode(superblock_, super_block_.bytes());
    if (md_flushes_) {
        super_ = Super::Flushing;
        pages_unflushed_ = pages_in_flight_ > 0;
        submit(kSuperFlush, io::DiskOp::Kind::Flush, {}, {}, false);
    } else {
        submit_superblock();
    }
}

void MetaStore::submit_superblock() {
    super_ = Super::Writing;
    submit(kSuperWrite,
           io::DiskOp::Kind::Write,
           layout_.superblock_sector,
           std::move(super_block_),
           md_flushes_);
}

// --- Bitmap pages ---

void MetaStore::start_page_run() {
    pages_running_ = pages_wanted_;
    run_.clear();
    if (want_all_pages_) {
        run_ = bitmap_.changed_pages();
    } else {
        std::copy_if(want_pages_.begin(),
                     want_pages_.end(),
                     std::back_inserter(run_),
                     [this](std::uint64_t page) { return bitmap_.page_changed(page); });
    }
    std::reverse(run_.begin(), run_.end());
    want_all_pages_ = false;
    want_pages_.clear();
}

// One run at a time, so that no page is ever in flight twice.
void MetaStore::advance_pages() {
    if (batch_flushing_ || pages_in_flight_ > 0) {
        return;
    }
    if (run_.empty()) {
        if (pages_running_ > pages_done_) {
            pages_done_ = pages_running_;
            core_.progress = true;
        }
        if (pages_wanted_ == pages_done_) {
            return;
        }
        start_page_run();
        if (run_.empty()) {
            pages_done_ = pages_running_;
            core_.progress = true;
            return;
        }
    }
    take_batch();
    if (bitmap_.take_cleared() && md_flushes_) {
        batch_flushing_ = true;
        submit(kPageFlush, io::DiskOp::Kind::Flush, {}, {}, false);
    } else {
        submit_batch();
    }
}

// Copies of the next pages. They are made before the flush is submitted: a bit that is cleared
// while it runs stands for data that it does not cover.
void MetaStore::take_batch() {
    while (!run_.empty() && batch_.size() < kMaxPageWrites) {
        const std::uint64_t first = run_.back();
        std::uint64_t count = 0;
        while (!run_.empty() && run_.back() == first + count && count < kPagesPerWrite) {
            run_.pop_back();
            ++count;
        }
        io::Slice buffer = core_.pool.allocate_slice(count * Bitmap::kPageBytes);
        for (std::uint64_t i = 0; i < count; ++i) {
            bitmap_.take_page(first + i,
                              buffer.bytes().subspan(i * Bitmap::kPageBytes, Bitmap::kPageBytes));
        }
        batch_.push_back({first, std::move(buffer)});
    }
}

void MetaStore::submit_batch() {
    for (PageWrite& write : batch_) {
        ++pages_in_flight_;
        ++bm_writes_;
        submit(kPageWrite,
               io::DiskOp::Kind::Write,
               layout_.bitmap_sector + base::Sector{write.first_page * meta::kSectorsPerBlock},
               std::move(write.content),
               false);
    }
    batch_.clear();
}

// --- Activity log ---

void MetaStore::advance_log() {
    if (al_ == Al::Idle && log_.wants_transaction()) {
        al_evicts_ = false;
        for (const ActivityLog::Change& change : log_.begin_transaction()) {
            if (change.old_extent == meta::kAlExtentFree) {
                continue;
            }
            al_evicts_ = true;
            const std::uint64_t page =
                change.old_extent * base::kBitsPerAlExtent / Bitmap::kBitsPerPage;
            if (page < bitmap_.pages()) {
                want_pages_.insert(page);
            }
        }
        // Also waits for a run in progress: it may hold one of these pages.
        al_ticket_ = want_pages_.empty() ? pages_done_ : ++pages_wanted_;
        al_ = Al::Pages;
    }
    if (al_ == Al::Pages) {
        advance_pages();
        if (pages_done_ < al_ticket_) {
            return;
        }
        // An extent leaves the log only when its bits and its data are stable: both may still be in
        // the disk's cache.
        if ((al_evicts_ || pages_unflushed_) && md_flushes_) {
            al_ = Al::Flushing;
            pages_unflushed_ = pages_in_flight_ > 0;
            submit(kAlFlush, io::DiskOp::Kind::Flush, {}, {}, false);
        } else {
            submit_log_block();
        }
    }
}

void MetaStore::submit_log_block() {
    al_ = Al::Writing;
    const meta::AlTransaction transaction = log_.build_transaction();
    io::Slice block = core_.pool.allocate_slice(meta::kBlockBytes);
    meta::encode(transaction, block.bytes());
    const std::uint64_t position = meta::ring_position(
        transaction.tr_number, superblock_.al_stripes, superblock_.al_stripe_size_4k);
    ++al_writes_;
    submit(kAlWrite,
           io::DiskOp::Kind::Write,
           layout_.al_sector + base::Sector{position * meta::kSectorsPerBlock},
           std::move(block),
           md_flushes_);
}

// --- FULL_SYNC ---

void MetaStore::advance_full_sync() {
    if (full_sync_ == FullSync::Flagging && durable_ >= full_sync_generation_) {
        if (set_all_) {
            bitmap_.set_all();
            set_all_ = false;
        }
        full_sync_ticket_ = write_bitmap();
        full_sync_ = FullSync::Writing;
    }
    if (full_sync_ == FullSync::Writing && pages_done_ >= full_sync_ticket_) {
        superblock_.flags &= ~static_cast<std::uint32_t>(meta::kMdFullSync);
        full_sync_generation_ = touch();
        full_sync_ = FullSync::Clearing;
    }
    if (full_sync_ == FullSync::Clearing && durable_ >= full_sync_generation_) {
        full_sync_ = FullSync::Idle;
        core_.progress = true;
    }
}

// --- Completions ---

void MetaStore::on_disk_done(const DiskTicket& ticket) {
    core_.progress = true;
    if (!disk_.accepts()) {
        return;  // failed in the meantime: nothing is continued
    }
    switch (static_cast<Key>(ticket.key)) {
        case kSuperFlush:
            submit_superblock();
            break;
        case kSuperWrite:
            super_ = Super::Idle;
            durable_ = writing_;
            flags_on_disk_ = flags_writing_;
            stored_currents_[0] = stored_currents_[1];
            break;
        case kPageFlush:
            batch_flushing_ = false;
            submit_batch();
            break;
        case kPageWrite:
            --pages_in_flight_;
            pages_unflushed_ = true;
            break;
        case kAlFlush:
            submit_log_block();
            break;
        case kAlWrite:
            al_ = Al::Idle;
            log_.commit();
            break;
    }
}

void MetaStore::submit(
    Key key, io::DiskOp::Kind kind, base::Sector sector, io::Slice buffer, bool fua) {
    io::DiskOp op;
    op.kind = kind;
    op.area = io::DiskOp::Area::Meta;
    op.fua = fua;
    op.sector = sector;
    op.length = buffer.length;
    op.buffer = std::move(buffer);
    disk_.submit(DiskUser::MetaStore, key, std::move(op));
}

}  // namespace engine
