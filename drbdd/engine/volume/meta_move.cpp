#include "drbdd/engine/volume/meta_move.h"

#include "base/require.h"
#include "meta/activity_log.h"

#include <algorithm>
#include <utility>

namespace engine {

namespace {

constexpr std::uint64_t kBytesPerWrite = 256u << 10;

std::uint64_t end_of(const meta::Layout& layout) {
    return layout.superblock_sector.value + meta::kSectorsPerBlock;
}

}  // namespace

bool MetaMove::is_apart(const meta::Layout& old_place, const meta::Layout& new_place) {
    return new_place.bitmap_sector.value >= end_of(old_place) &&
           new_place.al_sector.value >= end_of(old_place) &&
           new_place.superblock_sector.value >= end_of(old_place);
}

void MetaMove::start(const meta::Layout& to, std::uint64_t sectors, bool set_new_bits) {
    REQUIRE(!running() && store_.is_open() && is_apart(store_.layout(), to));
    REQUIRE(sectors <= to.usable_sectors);
    from_ = store_.layout();
    to_ = to;
    sectors_ = sectors;
    set_new_bits_ = set_new_bits;
    finished_ = false;
    phase_ = Phase::LogCloses;
    log_.close();
    core_.progress = true;
}

void MetaMove::advance() {
    if (phase_ == Phase::LogCloses && log_.idle() && !store_.full_sync_running()) {
        store_.hold();
        phase_ = Phase::StoreRests;
    }
    if (phase_ == Phase::StoreRests && store_.at_rest()) {
        begin();
    }
}

// A superblock that is left from an earlier life of the disk must not be taken for ours.
void MetaMove::begin() {
    bitmap_.resize(base::Sector{sectors_}, set_new_bits_);
    done_ = 0;
    phase_ = Phase::Clear;
    submit(io::DiskOp::Kind::Write, to_.superblock_sector, block(), true);
}

void MetaMove::on_disk_done() {
    core_.progress = true;
    switch (phase_) {
        case Phase::Clear:
            phase_ = Phase::Log;
            write_log();
            return;
        case Phase::Log:
            write_log();
            return;
        case Phase::Pages:
            write_pages();
            return;
        case Phase::Flush:
            commit();
            return;
        case Phase::Commit:
            store_.moved(to_, sectors_);
            wipe();
            return;
        case Phase::Wipe:
            finish();
            return;
        case Phase::Idle:
        case Phase::LogCloses:
        case Phase::StoreRests:
            return;
    }
}

void MetaMove::write_log() {
    const std::uint64_t bytes = to_.al_sectors * base::kSectorBytes;
    if (done_ == bytes) {
        done_ = 0;
        phase_ = Phase::Pages;
        write_pages();
        return;
    }
    io::Slice buffer = core_.pool.allocate_slice(std::min(bytes - done_, kBytesPerWrite));
    for (std::size_t at = 0; at < buffer.length; at += meta::kBlockBytes) {
        meta::initialized_block(buffer.bytes().subspan(at, meta::kBlockBytes));
    }
    const base::Sector sector = to_.al_sector + base::sectors_rounding_down(done_);
    done_ += buffer.length;
    submit(io::DiskOp::Kind::Write, sector, std::move(buffer), false);
}

// What changes behind us is written again, at the new place.
void MetaMove::write_pages() {
    if (done_ == bitmap_.pages()) {
        phase_ = Phase::Flush;
        submit(io::DiskOp::Kind::Flush, {}, {}, false);
        return;
    }
    const std::uint64_t count =
        std::min(bitmap_.pages() - done_, kBytesPerWrite / Bitmap::kPageBytes);
    io::Slice buffer = core_.pool.allocate_slice(count * Bitmap::kPageBytes);
    for (std::uint64_t i = 0; i < count; ++i) {
        bitmap_.take_page(done_ + i,
                          buffer.bytes().subspan(i * Bitmap::kPageBytes, Bitmap::kPageBytes));
    }
    const base::Sector sector = to_.bitmap_sector + base::Sector{done_ * meta::kSectorsPerBlock};
    done_ += count;
    submit(io::DiskOp::Kind::Write, sector, std::move(buffer), false);
}

void MetaMove::commit() {
    phase_ = Phase::Commit;
    io::Slice buffer = block();
    meta::encode(store_.superblock_at(to_, sectors_), buffer.bytes());
    submit(io::DiskOp::Kind::Write, to_.superblock_sector, std::move(buffer), true);
}

// It lies among the data now. Whoever looks for metadata at old ends must not find it.
void MetaMove::wipe() {
    phase_ = Phase::Wipe;
    submit(io::DiskOp::Kind::Write, from_.superblock_sector, block(), true);
}

void MetaMove::finish() {
    phase_ = Phase::Idle;
    finished_ = true;
    log_.reopen();
    store_.go_on();
}

void MetaMove::on_disk_lost() {
    phase_ = Phase::Idle;
    finished_ = false;
}

io::Slice MetaMove::block() const {
    io::Slice buffer = core_.pool.allocate_slice(meta::kBlockBytes);
    std::ranges::fill(buffer.bytes(), std::uint8_t{0});
    return buffer;
}

void MetaMove::submit(io::DiskOp::Kind kind, base::Sector sector, io::Slice buffer, bool fua) {
    io::DiskOp op;
    op.kind = kind;
    op.area = io::DiskOp::Area::Meta;
    op.fua = fua;
    op.sector = sector;
    op.length = buffer.length;
    op.buffer = std::move(buffer);
    disk_.submit(DiskUser::MetaMove, 0, std::move(op));
}

}  // namespace engine
