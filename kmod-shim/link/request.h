// One request of the kernel on its way to the NBD export, and what must survive a lost connection.
// Owned by NbdLink from submit() until it is answered.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace export_link {

struct FreeHeap {
    void operator()(char* memory) const { std::free(memory); }
};

using HeapMemory = std::unique_ptr<char, FreeHeap>;

struct Request {
    // PunchHole, WriteZeroes and ZeroRange promise zeroes afterwards: the loop driver uses
    // PunchHole for a discard and for "write zeroes, may unmap" alike, so it must never become an
    // NBD TRIM, which leaves the content undefined. It is done only where it is cheap; the others
    // always are. ZeroRange keeps the space allocated.
    enum class Kind : std::uint8_t {
        Read,
        Write,
        Flush,
        PunchHole,
        WriteZeroes,
        ZeroRange,
        Discard
    };

    void* whom = nullptr;  // who gets the answer, as the front end knows it
    Kind kind = Kind::Read;
    std::uint64_t offset = 0;  // bytes
    std::uint64_t length = 0;
    HeapMemory memory;  // Write: the kernel's message as it was received. Read: room for the data
    char* data = nullptr;  // the payload, inside `memory`

    bool durable = false;              // FUA: on stable storage when it is answered
    std::uint64_t finished_bytes = 0;  // of those without payload: parts that are done
    bool sent = false;                 // on the present connection, and not answered yet
};

// NBD lengths have 32 bits, the kernel's have 64. Payload requests are never split: the kernel
// keeps them below max_write.
inline constexpr std::uint64_t kPartBytesMax = 1u << 30;

struct Part {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

inline Part next_part(const Request& request) {
    const std::uint64_t left = request.length - request.finished_bytes;
    return {request.offset + request.finished_bytes, std::min(left, kPartBytesMax)};
}

}  // namespace export_link
