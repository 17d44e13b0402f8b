// One node's block of the disk heartbeat: 4096 bytes at offset + node number * 4096, rewritten as a
// whole with each message. It holds the node's latest messages in netstring form, each signed, so
// that nothing more is needed to believe them; the oldest give way when it is full. Pure.
//
//   0  "DRBDDHB1"
//   8  counter, 64 bit little endian: grows with each write
//  16  number of bytes that follow, 32 bit little endian; 20: zero
//  24  the messages, each as 32-bit length and bytes
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

inline constexpr std::size_t kDiskSlotBytes = 4096;

class DiskSlotWriter {
public:
    void add(std::string_view message);  // one that does not fit alone is left out

    // The block with the latest messages that fit.
    std::array<char, kDiskSlotBytes> block();

private:
    std::deque<std::string> messages_;
    std::size_t bytes_ = 0;
    std::uint64_t counter_ = 0;
};

struct DiskSlot {
    std::uint64_t counter = 0;
    std::vector<std::string> messages;  // oldest first
};

// Nothing if it is no such block; a torn one is found by the messages' digests.
std::optional<DiskSlot> parse_disk_slot(std::string_view block);

}  // namespace hb
