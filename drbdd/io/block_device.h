// What a front end (NBD server, FUSE + loop, ublk) is given for each volume, and nothing else.
// Lives on the resource's thread; every call and every callback happens there.
// Block front ends specification, section 0.
#pragma once

#include "base/result.h"
#include "drbdd/io/buffer.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace io {

struct BlockRequest {
    enum class Op : std::uint8_t { Read, Write, Flush, Discard, WriteZeroes };

    Op op = Op::Read;
    bool fua = false;          // Write, WriteZeroes, Discard: durable when completed
    bool may_unmap = true;     // WriteZeroes
    std::uint64_t offset = 0;  // bytes; a multiple of 512, better of BlockDeviceInfo::block_bytes
    std::uint64_t length = 0;  // bytes; likewise; any size, the device splits as it needs
    Slice payload;             // Write: the data. Read: `length` bytes of room

    // Called exactly once, never from inside submit(), in any order among requests. `error` is 0 or
    // a plain errno (EIO, ENOSPC, EROFS when the device became Secondary...). For a Read, `data`
    // are the bytes; usually the slice that was given, but not always (a remote read arrives
    // elsewhere).
    std::function<void(int error, const Slice& data)> done;
};

struct BlockDeviceInfo {
    std::string name;      // "drbd0"
    std::string resource;  // "r0"
    std::uint32_t volume = 0;
    std::uint32_t minor = 0;
    std::uint64_t size_bytes = 0;     // 0 while unknown
    std::uint32_t block_bytes = 512;  // smallest unit that new users are told of
    std::uint32_t preferred_bytes = 4096;
    bool rotational = false;
    bool can_discard = true;
    bool fast_zeroes = false;  // both replicas zero without being sent the zeroes
    bool has_bitmap = false;   // BlockDevice::sync_run() has an answer
};

// Consecutive bytes that the bitmap marks, or does not.
struct SyncRun {
    std::uint64_t bytes = 0;
    bool out_of_sync = false;
};

// Consecutive bytes that hold data, as far as is known, or nothing: they read as zeroes, and have
// no room on the disk.
struct AllocationRun {
    std::uint64_t bytes = 0;
    bool hole = false;

    bool operator==(const AllocationRun&) const = default;
};

using AllocationTold = std::function<void(const std::vector<AllocationRun>& runs)>;

class BlockDevice {
public:
    virtual ~BlockDevice() = default;
    virtual BlockDeviceInfo info() const = 0;
    virtual BufferPool& pool() = 0;

    // Announces a user; a device with users cannot be demoted. Refused with the reason in words
    // while the resource is Secondary or has no usable data. Each success is paired with one
    // close(). `who` names the user for the message of a refused demotion ("NBD client /run/...").
    virtual base::Result<void> open(bool writable, const std::string& who) = 0;
    virtual void close(const std::string& who) = 0;

    // FLUSH covers every write completed before it was submitted. No other order among requests.
    virtual void submit(BlockRequest request) = 0;

    // How the volume's bitmap marks what lies at `offset`, as far as that is the same and at most
    // `length` bytes (> 0, within the device); it looks at each block of them. What is marked
    // differs from the peer's copy, or may. Nothing: there is no bitmap, as there is no disk.
    virtual std::optional<SyncRun> sync_run(std::uint64_t offset, std::uint64_t length) const = 0;

    // Tells how the disk holds what lies from `offset` on: at most `most` runs (> 0) and `length`
    // bytes (> 0, within the device). No runs: it is not known, and all may be data. Called exactly
    // once, never from inside, and only when the disk has answered.
    virtual void map_allocation(std::uint64_t offset,
                                std::uint64_t length,
                                std::size_t most,
                                AllocationTold told) = 0;
};

// Told to each front end by the runtime. All calls on the resource's thread.
class Frontend {
public:
    virtual ~Frontend() = default;

    // The device may be shown to users from now on (promoted) / must be gone on return (demoted,
    // down).
    virtual void on_promoted(BlockDevice& device) = 0;
    virtual void on_demoted(BlockDevice& device) = 0;
    virtual void on_resized(BlockDevice& device) = 0;
};

}  // namespace io
