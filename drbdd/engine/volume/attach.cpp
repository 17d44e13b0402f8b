#include "drbdd/engine/volume/attach.h"

#include "drbdd/engine/error_numbers.h"
#include "meta/activity_log.h"
#include "meta/bitmap_area.h"
#include "meta/old_ends.h"
#include "meta/recovery.h"

#include <algorithm>

namespace engine {

void Attacher::start(const DiskSettings& settings) {
    settings_ = settings;
    error_.clear();
    error_code_ = 0;
    finished_ = false;
    active_.clear();
    ring_.clear();
    replayed_ = crashed_primary_ = set_all_ = false;
    marked_kib_ = 0;
    const io::DiskGeometry& geometry = disk_.geometry();
    place(geometry);
    const base::Result<meta::Layout> layout = meta::layout_for(placement_, meta_device_bytes_);
    if (!layout) {
        fail(kErrMdDiskTooSmall, layout.error().text);
        return;
    }
    if (geometry.logical_block_bytes > kLargestBlock) {
        fail(kErrMdInvalid,
             base::format("the disk has sectors of %u bytes: DRBD's metadata need %u or less",
                          geometry.logical_block_bytes,
                          kLargestBlock));
        return;
    }
    layout_ = *layout;
    phase_ = Phase::ReadSuperblock;
    read(base::sectors_rounding_down(meta::superblock_byte(placement_, meta_device_bytes_)),
         meta::kBlockBytes);
}

void Attacher::place(const io::DiskGeometry& geometry) {
    using Kind = meta::Placement::Kind;
    placement_ = {};
    meta_device_bytes_ = geometry.size_bytes;
    if (geometry.meta) {
        placement_ = geometry.meta->slot ? meta::Placement{Kind::Indexed, *geometry.meta->slot}
                                         : meta::Placement{Kind::FlexibleExternal};
        meta_device_bytes_ = geometry.meta->size_bytes;
    }
}

void Attacher::fail(int code, std::string text) {
    phase_ = Phase::Idle;
    finished_ = false;
    error_code_ = code;
    error_ = std::move(text);
    ring_.clear();
    core_.progress = true;
}

bool Attacher::take_finished() {
    if (!finished_) {
        return false;
    }
    finished_ = false;
    return true;
}

void Attacher::read(base::Sector sector, std::uint64_t bytes) {
    position_ = sector;
    left_ = bytes;
    read_next();
}

void Attacher::read_next() {
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::Read;
    const bool in_data = phase_ == Phase::SearchOldEnds && position_.value < layout_.usable_sectors;
    op.area = in_data ? io::DiskOp::Area::Data : io::DiskOp::Area::Meta;
    op.sector = position_;
    op.length = std::min<std::uint64_t>(
        left_, std::min<std::uint32_t>(disk_.geometry().max_io_bytes, 256u << 10));
    op.length -= op.length % meta::kBlockBytes;
    op.buffer = core_.pool.allocate_slice(op.length);
    disk_.submit(DiskUser::Attach, 0, std::move(op));
}

void Attacher::on_disk_done(const DiskTicket& ticket, int error) {
    if (!running()) {
        return;
    }
    if (error != 0 && phase_ == Phase::SearchOldEnds) {
        fail(search_code_, search_text_);  // the verdict stands
        return;
    }
    if (error != 0) {
        fail(kErrIoMdDisk,
             base::format("cannot %s the metadata at sector %llu: errno %d; check the backing disk",
                          ticket.op.kind == io::DiskOp::Kind::Read ? "read" : "write",
                          static_cast<unsigned long long>(ticket.op.sector.value),
                          error));
        return;
    }
    core_.progress = true;
    const std::uint64_t length = ticket.op.length;
    switch (phase_) {
        case Phase::ReadSuperblock:
            on_superblock(ticket.op.buffer.bytes());
            return;
        case Phase::SearchOldEnds:
            on_old_end(ticket.op.buffer.bytes());
            return;
        case Phase::ReadLog: {
            const base::Bytes bytes = ticket.op.buffer.bytes();
            ring_.insert(ring_.end(), bytes.begin(), bytes.end());
            break;
        }
        case Phase::ReadBitmap:
            on_bitmap_chunk(ticket.op.buffer.bytes());
            break;
        case Phase::FlushBitmap:
            write_clean_superblock();
            return;
        case Phase::WriteSuperblock:
            store_.note_clean_superblock(meta::without_log(superblock_));
            begin_log();
            return;
        case Phase::WriteLog:
            break;
        case Phase::Idle:
        case Phase::WriteBitmap:
        case Phase::Finished:
            return;
    }
    position_ = position_ + base::sectors_rounding_down(length);
    left_ -= length;
    if (left_ > 0) {
        phase_ == Phase::WriteLog ? write_log() : read_next();
    } else if (phase_ == Phase::ReadLog) {
        on_log();
    } else if (phase_ == Phase::ReadBitmap) {
        on_bitmap_read();
    } else {
        phase_ = Phase::Finished;
    }
}

void Attacher::on_superblock(base::ConstBytes block) {
    base::Result<meta::Superblock> superblock = meta::decode_superblock(block);
    if (!superblock && superblock.error().code == base::ErrorCode::Unsupported) {
        fail(kErrMdInvalid, superblock.error().text + "; see `drbdadm create-md`");
        return;
    }
    if (!superblock && placement_.is_external()) {
        fail(kErrNoMd, superblock.error().text);
        return;
    }
    if (!superblock) {
        search_old_ends(kErrNoMd,
                        superblock.error().text +
                            "; if the disk has been in use and was resized since, do not run "
                            "create-md: give it its old size back");
        return;
    }
    const base::Result<meta::Layout> layout =
        meta::layout_of(*superblock, placement_, meta_device_bytes_);
    if (!layout && placement_.is_external()) {
        fail(kErrMdInvalid, layout.error().text);
        return;
    }
    if (!layout) {
        search_old_ends(kErrMdInvalid, layout.error().text);
        return;
    }
    layout_ = *layout;
    if (placement_.is_external()) {
        meta::limit_to_device(layout_, disk_.geometry().size_bytes);
    }
    superblock_ = *superblock;
    crashed_primary_ =
        superblock_.has(meta::kMdCrashedPrimary) || superblock_.has(meta::kMdPrimaryInd);
    set_all_ = superblock_.has(meta::kMdFullSync) ||
               (crashed_primary_ && superblock_.has(meta::kMdAlDisabled));
    if (!choose_size()) {
        return;
    }
    if (superblock_.is_clean()) {
        prepare_bitmap();
        return;
    }
    phase_ = Phase::ReadLog;
    read(layout_.al_sector, layout_.al_sectors * base::kSectorBytes);
}

// Nothing usable at the end of the disk. If it has grown, all that is needed lies at its old end:
// whoever is told to create new metadata then destroys good ones.
void Attacher::search_old_ends(int code, std::string text) {
    search_code_ = code;
    search_text_ = std::move(text);
    old_ends_ = meta::old_superblock_bytes(disk_.geometry().size_bytes);
    std::reverse(old_ends_.begin(), old_ends_.end());
    phase_ = Phase::SearchOldEnds;
    read_old_end();
}

void Attacher::read_old_end() {
    if (old_ends_.empty()) {
        fail(search_code_, search_text_);
        return;
    }
    read(base::sectors_rounding_down(old_ends_.back()), meta::kBlockBytes);
}

void Attacher::on_old_end(base::ConstBytes block) {
    const std::uint64_t place = old_ends_.back();
    old_ends_.pop_back();
    const std::optional<std::uint64_t> size = meta::size_that_ended_here(block, place);
    if (!size) {
        read_old_end();
        return;
    }
    old_ends_.clear();
    fail(kErrMdInvalid,
         base::format("the backing disk has grown to %llu bytes; its metadata are still where it "
                      "ended when it had %llu bytes (sector %llu), and they are good. Do not run "
                      "create-md, which would destroy them: `drbdadm check-resize` moves them",
                      static_cast<unsigned long long>(disk_.geometry().size_bytes),
                      static_cast<unsigned long long>(*size),
                      static_cast<unsigned long long>(place / base::kSectorBytes)));
}

// Section 2.5: what of the device is replicated, as far as we can tell without the peer.
bool Attacher::choose_size() {
    std::uint64_t largest = layout_.usable_sectors;
    const bool explicit_size = settings_.size_sectors != 0 && settings_.size_sectors <= largest;
    if (explicit_size) {
        largest = settings_.size_sectors;
    } else if (settings_.size_sectors != 0) {
        fail(kErrDiskTooSmall,
             base::format(
                 "the configured size of %llu sectors does not fit: the disk has room for %llu",
                 static_cast<unsigned long long>(settings_.size_sectors),
                 static_cast<unsigned long long>(layout_.usable_sectors)));
        return false;
    }
    const std::uint64_t agreed = superblock_.la_size_sectors;
    if (superblock_.has(meta::kMdConsistent) && largest < agreed && !explicit_size) {
        fail(kErrImplicitShrink,
             base::format("the disk has room for %llu sectors, but %llu are in use: refusing to "
                          "truncate a consistent device",
                          static_cast<unsigned long long>(largest),
                          static_cast<unsigned long long>(agreed)));
        return false;
    }
    size_sectors_ = agreed == 0 ? largest : std::min(agreed, largest);
    if (explicit_size) {
        size_sectors_ = largest;
    }
    return true;
}

void Attacher::on_log() {
    std::vector<base::ConstBytes> blocks;
    for (std::size_t at = 0; at < ring_.size(); at += meta::kBlockBytes) {
        blocks.push_back(base::ConstBytes(ring_).subspan(at, meta::kBlockBytes));
    }
    base::Result<meta::AlReplay> replay =
        meta::replay(blocks, superblock_.al_stripes, superblock_.al_stripe_size_4k);
    if (!replay && superblock_.has(meta::kMdPrimaryInd)) {
        fail(kErrMdInvalid,
             "the node crashed as Primary, but its activity log cannot be used: " +
                 replay.error().text);
        return;
    }
    if (replay && superblock_.has(meta::kMdPrimaryInd)) {
        active_ = replay->active;
    }
    replayed_ = true;
    prepare_bitmap();
}

void Attacher::prepare_bitmap() {
    bitmap_ = Bitmap{};
    bitmap_.resize(base::Sector{superblock_.la_size_sectors}, false);
    next_page_ = 0;
    phase_ = Phase::ReadBitmap;
    const std::uint64_t bytes = meta::bitmap_bytes(base::Sector{superblock_.la_size_sectors});
    if (set_all_ || bytes == 0) {
        on_bitmap_read();
        return;
    }
    read(layout_.bitmap_sector, bytes);
}

void Attacher::on_bitmap_chunk(base::ConstBytes bytes) {
    for (std::size_t at = 0; at + Bitmap::kPageBytes <= bytes.size(); at += Bitmap::kPageBytes) {
        bitmap_.load_page(next_page_++, bytes.subspan(at, Bitmap::kPageBytes));
    }
}

// The page is written even if it has all these bits already: a flush of an earlier attach may have
// failed, and then a read still shows what no power cut would leave there.
void Attacher::mark_active(base::AlExtent extent) {
    bitmap_.set_touched(base::Sector{extent.value * base::kSectorsPerAlExtent},
                        base::kSectorsPerAlExtent * base::kSectorBytes);
    const std::uint64_t page = extent.value * base::kBitsPerAlExtent / Bitmap::kBitsPerPage;
    if (page < bitmap_.pages()) {
        bitmap_.mark_page_changed(page);
    }
}

// Only now: whatever happens meanwhile must not write a bitmap that has not been read.
void Attacher::on_bitmap_read() {
    store_.open(layout_, superblock_, settings_.md_flushes);
    const std::uint64_t before = bitmap_.count();
    for (const base::AlExtent extent : active_) {
        mark_active(extent);
    }
    marked_kib_ = (bitmap_.count() - before) * base::kBytesPerBit / 1024;
    if (bitmap_.bits() != meta::bitmap_bits(base::Sector{size_sectors_})) {
        bitmap_.resize(base::Sector{size_sectors_}, true);
        // A crash between these pages and the superblock with the new size must not lose the bits.
        set_all_ = set_all_ || superblock_.la_size_sectors == 0;
    }
    if (!replayed_) {
        begin_log();  // also a clean log: a crash may have torn the blocks of an earlier attach
        return;
    }
    ticket_ = store_.write_bitmap();
    phase_ = Phase::WriteBitmap;
}

// The bitmap knows everything now, so the log is not needed any more. Without this a crash while
// its blocks are overwritten could leave some that cannot be read, and the attach would be refused.
void Attacher::write_clean_superblock() {
    phase_ = Phase::WriteSuperblock;
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::Write;
    op.area = io::DiskOp::Area::Meta;
    op.fua = true;
    op.sector = layout_.superblock_sector;
    op.length = meta::kBlockBytes;
    op.buffer = core_.pool.allocate_slice(op.length);
    meta::encode(meta::without_log(superblock_), op.buffer.bytes());
    disk_.submit(DiskUser::Attach, 0, std::move(op));
}

void Attacher::begin_log() {
    phase_ = Phase::WriteLog;
    position_ = layout_.al_sector;
    left_ = layout_.al_sectors * base::kSectorBytes;
    write_log();
}

void Attacher::write_log() {
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::Write;
    op.area = io::DiskOp::Area::Meta;
    op.fua = true;
    op.sector = position_;
    op.length = std::min<std::uint64_t>(left_, 256u << 10);
    op.buffer = core_.pool.allocate_slice(op.length);
    for (std::size_t at = 0; at < op.length; at += meta::kBlockBytes) {
        meta::initialized_block(op.buffer.bytes().subspan(at, meta::kBlockBytes));
    }
    disk_.submit(DiskUser::Attach, 0, std::move(op));
}

void Attacher::advance() {
    if (phase_ == Phase::WriteBitmap && store_.bitmap_written(ticket_)) {
        phase_ = Phase::FlushBitmap;
        io::DiskOp op;
        op.kind = io::DiskOp::Kind::Flush;
        op.area = io::DiskOp::Area::Meta;
        disk_.submit(DiskUser::Attach, 0, std::move(op));
    }
    if (phase_ == Phase::Finished) {
        const std::uint64_t blocks = layout_.al_sectors / meta::kSectorsPerBlock;
        log_.reset(std::clamp(settings_.al_extents, meta::kAlExtentsMin, meta::max_slots(blocks)));
        phase_ = Phase::Idle;
        finished_ = true;
        ring_.clear();
        core_.progress = true;
    }
}

}  // namespace engine
