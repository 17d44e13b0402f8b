#include "drbdd/engine/volume/resizer.h"

#include "drbdd/engine/volume/device.h"
#include "meta/geometry.h"

#include <algorithm>

namespace engine {

Resizer::Resizer(Core& core, Device& device)
    : core_(core),
      device_(device),
      move_(core, device.disk, device.store, device.bitmap, device.log) {
}

void Resizer::measure() {
    REQUIRE(device_.disk.is_open());
    if (!measuring_) {
        measuring_ = true;
        core_.emit(MeasureDisk{device_.number()});
    }
}

void Resizer::on_measured(const io::DiskGeometry& geometry) {
    if (!measuring_) {
        return;  // of a disk that is gone
    }
    measuring_ = false;
    core_.progress = true;
    const std::uint64_t before = device_.disk.geometry().size_bytes;
    if (geometry.size_bytes < before) {
        device_.log_line(base::LogLevel::Error,
                         base::format("the backing disk has shrunk from %llu to %llu bytes: "
                                      "detach it before its end is needed",
                                      base::ull(before),
                                      base::ull(geometry.size_bytes)));
        return;
    }
    device_.disk.grow(geometry.size_bytes);
    if (const base::Result<meta::Layout> layout = layout_now()) {
        wanted_ = *layout;
    } else {
        device_.log_line(base::LogLevel::Error, layout.error().text);
    }
}

base::Result<meta::Layout> Resizer::layout_now() const {
    const io::DiskGeometry& geometry = device_.disk.geometry();
    const meta::Superblock& superblock = device_.store.superblock();
    if (!geometry.meta) {
        return meta::internal_layout(
            geometry.size_bytes, superblock.al_stripes, superblock.al_stripe_size_4k);
    }
    meta::Layout layout = device_.store.layout();
    base::Result<meta::Layout> whole = meta::external_layout(layout.superblock_sector,
                                                             layout.md_size_sectors,
                                                             superblock.al_stripes,
                                                             superblock.al_stripe_size_4k);
    if (whole) {
        meta::limit_to_device(*whole, geometry.size_bytes);
    }
    return whole;
}

std::uint64_t Resizer::room() const {
    return device_.store.is_open()
               ? std::max(device_.store.layout().usable_sectors, wanted_.usable_sectors)
               : 0;
}

bool Resizer::has_to_move() const {
    return wanted_.usable_sectors != 0 &&
           wanted_.superblock_sector != device_.store.layout().superblock_sector;
}

base::Result<void> Resizer::start(std::uint64_t sectors, bool set_new_bits) {
    REQUIRE(!running() && sectors <= room());
    set_new_bits_ = set_new_bits;
    if (has_to_move()) {
        const meta::Layout& old_place = device_.store.layout();
        if (!MetaMove::is_apart(old_place, wanted_)) {
            return base::Error{
                base::ErrorCode::TooSmall,
                base::format("the disk has grown by less than the %llu KiB of its metadata, which "
                             "can't be moved safely by so little: make it larger, or take the "
                             "resource down and use `drbdadm check-resize`",
                             base::ull(wanted_.md_size_sectors / 2))};
        }
        move_.start(wanted_, sectors, set_new_bits);
        return {};
    }
    if (wanted_.usable_sectors != 0) {
        device_.store.note_room(wanted_.usable_sectors);
    }
    if (sectors != device_.size_sectors()) {
        device_.set_size(sectors, set_new_bits ? Device::NewBits::Set : Device::NewBits::Clear);
    }
    return {};
}

void Resizer::on_disk_lost() {
    measuring_ = false;
    wanted_ = {};
    move_.on_disk_lost();
}

void Resizer::advance() {
    move_.advance();
    if (move_.take_finished()) {
        device_.on_moved(move_.sectors());
        core_.progress = true;
    }
}

}  // namespace engine
