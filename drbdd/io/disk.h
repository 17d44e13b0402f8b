// The backing device as the engine sees it. UringDisk (runtime) is real; the simulator's disk
// tears, loses and refuses. Block front ends specification, section 6.
#pragma once

#include "base/units.h"
#include "drbdd/io/buffer.h"

#include <cstdint>
#include <optional>

namespace io {

// Chosen by whoever submits, unique per disk while outstanding.
struct IoId {
    std::uint64_t value = 0;
    auto operator<=>(const IoId&) const = default;
};

// The device that metadata is on which is not at the end of the data's.
struct MetaGeometry {
    std::uint64_t size_bytes = 0;
    std::optional<std::uint32_t> slot;  // nothing: all of it
};

struct DiskGeometry {
    std::uint64_t size_bytes = 0;  // of the whole backing device
    std::uint32_t logical_block_bytes = 512;
    std::uint32_t physical_block_bytes = 512;
    std::uint32_t max_io_bytes = 1u
                                 << 20;  // largest read or write, a multiple of the logical block
    bool can_discard = false;            // Discard is cheap, and what was discarded reads as zeroes
    bool rotational = false;
    bool read_only = false;
    std::optional<MetaGeometry> meta;  // nothing: internal
};

struct DiskOp {
    enum class Kind : std::uint8_t { Read, Write, Flush, Discard, WriteZeroes };
    // With internal metadata both areas are on the same device; positions are always those of the
    // device that the area is on, from its start. A Flush is of both.
    enum class Area : std::uint8_t { Data, Meta };

    IoId id{};
    Kind kind = Kind::Read;
    Area area = Area::Data;
    bool fua = false;          // Write: durable before it is done
    bool may_unmap = true;     // WriteZeroes: holes are fine
    base::Sector sector;       // ignored for Flush
    std::uint64_t length = 0;  // bytes; a multiple of logical_block_bytes, as the position is
    Slice buffer;              // Read, Write: `length` bytes; kept alive until done
};

class Disk {
public:
    virtual ~Disk() = default;
    virtual DiskGeometry geometry() const = 0;

    // Exactly one completion {id, 0 or errno} follows, never from inside submit(), and also after a
    // failure or close(). Completions come in any order: whoever needs an order waits for it.
    // A Write, Discard or WriteZeroes is durable only with `fua`, or once a Flush that was
    // submitted after its completion is done.
    virtual void submit(const DiskOp& op) = 0;

    // Refuses new work; what is outstanding completes, with ECANCELED where possible.
    virtual void close() = 0;
};

}  // namespace io
