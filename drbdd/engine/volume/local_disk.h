// The backing disk of one volume as the parts of the engine use it: numbers the operations, counts
// them and remembers what each is for, so that its completion finds the part that waits. Requests
// are in sectors of 512 bytes, whatever those of the disk are.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/disk_ticket.h"
#include "drbdd/engine/volume/whole_blocks.h"
#include "drbdd/io/disk.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace engine {

// Larger sectors would not fit the metadata, whose blocks have this size.
inline constexpr std::uint32_t kLargestBlock = 4096;

class LocalDisk {
public:
    LocalDisk(Core& core, VolumeNumber volume)
        : core_(core), volume_(volume), blocks_(core, *this) {}

    void open(const io::DiskGeometry& geometry);
    // After the last completion: the runtime may close the device.
    void close();
    // At once. Completions of what was outstanding are no more told; the caller ends what waits for
    // them.
    std::vector<DiskTicket> abandon();

    bool is_open() const { return open_; }

    const io::DiskGeometry& geometry() const { return geometry_; }

    void grow(std::uint64_t size_bytes) { geometry_.size_bytes = size_bytes; }

    // No new operation is to be submitted by anyone (failed or being detached).
    void refuse_new() { refusing_ = true; }

    bool accepts() const { return open_ && !refusing_; }

    void submit(DiskUser user, std::uint64_t key, io::DiskOp op);

    // The disk has completed something: one operation has ended with it, or none, or several.
    void on_done(io::IoId id, int error);

    struct Ended {
        DiskTicket ticket;
        int error = 0;
    };

    std::optional<Ended> take_ended();

    // Since when its oldest operation is under way; kNever: none is.
    io::Instant oldest() const;

    std::size_t outstanding() const {
        return tickets_.size() + blocks_.outstanding() + ended_.size();
    }

private:
    friend class WholeBlocks;

    io::IoId issue(io::DiskOp op);

    void end(DiskTicket ticket, int error) { ended_.push_back({std::move(ticket), error}); }

    bool needs_larger_blocks(const io::DiskOp& op, int error) const;
    void use_larger_blocks();

    Core& core_;
    VolumeNumber volume_;
    io::DiskGeometry geometry_;
    bool open_ = false;
    bool refusing_ = false;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, DiskTicket> tickets_;
    WholeBlocks blocks_;
    std::deque<Ended> ended_;
};

}  // namespace engine
