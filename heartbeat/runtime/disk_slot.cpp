#include "heartbeat/runtime/disk_slot.h"

#include "base/bytes.h"

#include <algorithm>
#include <cstring>

namespace hb {

namespace {

constexpr std::string_view kMagic = "DRBDDHB1";
constexpr std::size_t kCounterAt = 8;
constexpr std::size_t kLengthAt = 16;
constexpr std::size_t kMessagesAt = 24;
constexpr std::size_t kRoom = kDiskSlotBytes - kMessagesAt;

std::uint32_t get32(std::string_view bytes, std::size_t offset) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

void put32(char* to, std::size_t value) {
    const auto narrow = static_cast<std::uint32_t>(value);
    std::memcpy(to, &narrow, sizeof narrow);
}

}  // namespace

void DiskSlotWriter::add(std::string_view message) {
    const std::size_t needed = message.size() + sizeof(std::uint32_t);
    if (needed > kRoom) {
        return;
    }
    messages_.emplace_back(message);
    bytes_ += needed;
    while (bytes_ > kRoom) {
        bytes_ -= messages_.front().size() + sizeof(std::uint32_t);
        messages_.pop_front();
    }
}

std::array<char, kDiskSlotBytes> DiskSlotWriter::block() {
    std::array<char, kDiskSlotBytes> block{};
    ++counter_;
    std::copy(kMagic.begin(), kMagic.end(), block.begin());
    std::memcpy(block.data() + kCounterAt, &counter_, sizeof counter_);
    put32(block.data() + kLengthAt, bytes_);
    char* to = block.data() + kMessagesAt;
    for (const std::string& message : messages_) {
        put32(to, message.size());
        to = std::copy(message.begin(), message.end(), to + sizeof(std::uint32_t));
    }
    return block;
}

std::optional<DiskSlot> parse_disk_slot(std::string_view block) {
    if (block.size() != kDiskSlotBytes || block.substr(0, kMagic.size()) != kMagic) {
        return std::nullopt;
    }
    DiskSlot slot;
    std::memcpy(&slot.counter, block.data() + kCounterAt, sizeof slot.counter);
    const std::size_t length = get32(block, kLengthAt);
    if (length > kRoom) {
        return std::nullopt;
    }
    std::string_view rest = block.substr(kMessagesAt, length);
    while (!rest.empty()) {
        if (rest.size() < sizeof(std::uint32_t) ||
            get32(rest, 0) > rest.size() - sizeof(std::uint32_t)) {
            return std::nullopt;
        }
        const std::size_t size = get32(rest, 0);
        slot.messages.emplace_back(rest.substr(sizeof(std::uint32_t), size));
        rest.remove_prefix(sizeof(std::uint32_t) + size);
    }
    return slot;
}

}  // namespace hb
