// The backing disk of one volume as the parts of the engine use it: numbers the operations, counts
// them and remembers what each is for, so that its completion finds the part that waits.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/io/disk.h"

#include <cstdint>
#include <map>
#include <optional>

namespace engine {

enum class DiskUser : std::uint8_t {
    AppWrite,
    AppRead,
    AppFlush,
    PeerWrite,
    PeerFlush,
    PeerRead,
    ResyncRead,
    ResyncWrite,
    MetaStore,
    Attach,
};

struct DiskTicket {
    DiskUser user = DiskUser::Attach;
    std::uint64_t key = 0;  // of the user's own
    io::DiskOp op;
};

class LocalDisk {
public:
    LocalDisk(Core& core, VolumeNumber volume) : core_(core), volume_(volume) {}

    void open(const io::DiskGeometry& geometry);
    // After the last completion: the runtime may close the device.
    void close();

    bool is_open() const { return open_; }

    const io::DiskGeometry& geometry() const { return geometry_; }

    // No new operation is to be submitted by anyone (failed or being detached).
    void refuse_new() { refusing_ = true; }

    bool accepts() const { return open_ && !refusing_; }

    void submit(DiskUser user, std::uint64_t key, io::DiskOp op);
    // The ticket of a completion; empty for an id that is not outstanding (a bug of the runtime).
    DiskTicket take(io::IoId id);

    std::size_t outstanding() const { return tickets_.size(); }

private:
    Core& core_;
    VolumeNumber volume_;
    io::DiskGeometry geometry_;
    bool open_ = false;
    bool refusing_ = false;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, DiskTicket> tickets_;
};

}  // namespace engine
