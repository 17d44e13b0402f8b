// The size of a volume while its disk is attached: how much the disk has by now, and the change to
// another size. Wire specification, section 3.5; metadata specification, section 14.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/meta_move.h"
#include "drbdd/io/disk.h"

#include <cstdint>

namespace engine {

class Device;

class Resizer {
public:
    Resizer(Core& core, Device& device);

    // The runtime is asked to look at the disk again. Forgotten with the disk.
    void measure();

    bool measuring() const { return measuring_; }

    void on_measured(const io::DiskGeometry& geometry);

    // Sectors that the disk has room for, as far as was looked; 0 without a disk.
    std::uint64_t room() const;

    // The device gets this size, at most room(); with internal metadata these move to the disk's
    // new end first, also where the size stays as it is. Writes wait meanwhile.
    // Error: the disk has grown by less than its metadata need.
    base::Result<void> start(std::uint64_t sectors, bool set_new_bits);

    bool running() const { return move_.running(); }

    MetaMove& move() { return move_; }

    void on_disk_lost();
    void advance();

private:
    base::Result<meta::Layout> layout_now() const;
    bool has_to_move() const;

    Core& core_;
    Device& device_;
    MetaMove move_;
    bool measuring_ = false;
    bool set_new_bits_ = true;
    meta::Layout wanted_;  // while the disk is attached; usable_sectors 0: not looked at yet
};

}  // namespace engine
