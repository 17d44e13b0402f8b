// What the runtime wants of a backing disk besides the engine's io::Disk: its life from the attach
// to the last answer of whatever is below. UringDisk is a block device or a file, NbdDisk an export
// of another machine.
#pragma once

#include "drbdd/io/block_device.h"
#include "drbdd/io/disk.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace runtime {

class BackingDisk : public io::Disk {
public:
    // error: 0 or errno. Called on the resource's thread.
    using Done = std::function<void(io::IoId id, int error)>;

    virtual const std::string& path() const = 0;

    // Operations whose completion has not been told yet.
    virtual std::size_t outstanding() const = 0;

    // Nobody waits for what is outstanding any more: no completion of it is told. The device and
    // the buffers stay until all of it has been answered; then `idle` is called, never from
    // inside. Only while something is outstanding.
    virtual void abandon(std::function<void()> idle) = 0;

    // The device; it is closed with the last reference, which may block: not on this thread. Only
    // when nothing is outstanding; the disk is of no use afterwards.
    virtual std::shared_ptr<void> give_up_device() = 0;

    // Tells the size by now, in bytes, 0 if it could not be told. May block: for another thread,
    // also when the disk has gone meanwhile.
    virtual std::function<std::uint64_t()> ruler() const = 0;

    // As io::BlockDevice::map_allocation() has it. May block: for another thread, also when the
    // disk has gone meanwhile. Null: this disk can't tell.
    using Mapper = std::function<std::vector<io::AllocationRun>(
        std::uint64_t offset, std::uint64_t length, std::size_t most)>;
    virtual Mapper mapper() const = 0;

    virtual void grow(std::uint64_t size_bytes) = 0;
};

}  // namespace runtime
