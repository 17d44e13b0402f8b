#include "kmod-shim/ublk/commands.h"

#include "base/log.h"

#include <algorithm>
#include <bit>
#include <charconv>

namespace shim::ublk {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::uint32_t kTypeLetter = 'u';
constexpr std::uint32_t kRead = 2;
constexpr std::uint32_t kReadWrite = 3;

constexpr std::uint8_t kPageShift = 12;  // what a disk of today writes in one piece
constexpr std::uint32_t kDiscardBytes = 1u << kPageShift;
// Requests without payload; far below what 32 bits of bytes hold.
constexpr std::uint32_t kLongSectorsMax = (1u << 30) / kSectorBytes;

constexpr std::uint64_t kTokenMagic = 0xdbdd;
constexpr unsigned kMagicShift = 48;
constexpr unsigned kMinorShift = 28;
constexpr std::uint64_t kMinorMask = (1u << 20) - 1;
constexpr std::uint64_t kRandomMask = (1u << kMinorShift) - 1;
constexpr std::size_t kTokenDigits = 16;

std::uint32_t ioctl_number(std::uint32_t direction, std::uint32_t bytes, std::uint8_t number) {
    return direction << 30 | bytes << 16 | kTypeLetter << 8 | number;
}

std::uint8_t shift_of(std::uint32_t bytes) {
    return static_cast<std::uint8_t>(std::countr_zero(bytes));
}

// "6.17.0-35-generic" into 6, 17, 0 and 35; what is missing is nothing.
struct Release {
    std::optional<unsigned> version[3];
    std::optional<unsigned> build;
};

std::optional<unsigned> take_number(std::string_view& text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

Release parse_release(std::string_view text) {
    Release release;
    for (auto& part : release.version) {
        part = take_number(text);
        if (text.starts_with('.')) {
            text.remove_prefix(1);
        }
    }
    if (text.starts_with('-')) {
        text.remove_prefix(1);
        release.build = take_number(text);
    }
    return release;
}

}  // namespace

std::uint32_t opcode(Control command, Encoding encoding) {
    const auto number = static_cast<std::uint8_t>(command);
    if (encoding == Encoding::Plain) {
        return number;
    }
    const bool reads = command == Control::GetDeviceInfo || command == Control::GetParameters ||
                       command == Control::GetFeatures;
    return ioctl_number(reads ? kRead : kReadWrite, sizeof(ControlCommand), number);
}

std::uint32_t opcode(Io command, Encoding encoding) {
    const auto number = static_cast<std::uint8_t>(command);
    return encoding == Encoding::Plain ? number
                                       : ioctl_number(kReadWrite, sizeof(IoCommand), number);
}

Result<void> check_features(std::uint64_t flags) {
    constexpr std::uint64_t kNeeded = kUserRecovery | kRecoveryReissue;
    if ((flags & kNeeded) != kNeeded) {
        return Error{ErrorCode::Unsupported,
                     "the kernel's ublk driver cannot give a device another server (Linux before "
                     "6.1)"};
    }
    return {};
}

std::optional<std::string> known_to_crash(std::string_view release) {
    const Release parsed = parse_release(release);
    const auto is = [&parsed](unsigned first, unsigned second, unsigned third) {
        return parsed.version[0] == first && parsed.version[1] == second &&
               parsed.version[2] == third;
    };
    const bool distribution =
        is(6, 17, 0) && parsed.build && *parsed.build >= 35 && *parsed.build <= 40;
    if (distribution || is(6, 18, 4) || is(6, 18, 5)) {
        return "this kernel (" + std::string(release) + ") crashes when a ublk device is added";
    }
    return std::nullopt;
}

Parameters parameters_for(const Geometry& geometry) {
    const std::uint8_t logical = shift_of(geometry.block_bytes);
    Parameters parameters;
    parameters.length = kParameterBytes;
    parameters.types = kHasBasic | (geometry.discard || geometry.zeroes ? kHasDiscard : 0);
    // Both nodes' disks may have a cache, whatever the one here says: flushes are always wanted.
    parameters.attributes =
        kVolatileCache | (geometry.fua ? kFua : 0) | (geometry.rotational ? kRotational : 0);
    parameters.logical_shift = logical;
    parameters.physical_shift = std::max(logical, kPageShift);
    parameters.optimal_shift = parameters.physical_shift;
    parameters.minimal_shift = parameters.physical_shift;
    parameters.sectors_max = geometry.request_bytes_max / kSectorBytes;
    parameters.device_sectors = geometry.size_bytes / kSectorBytes;
    parameters.discard_granularity = std::max(kDiscardBytes, geometry.block_bytes);
    parameters.discard_sectors_max = geometry.discard ? kLongSectorsMax : 0;
    parameters.zero_sectors_max = geometry.zeroes ? kLongSectorsMax : 0;
    parameters.discard_segments_max = 1;
    return parameters;
}

Result<Asked> decode(const IoDescriptor& descriptor,
                     std::uint64_t size_bytes,
                     std::uint32_t request_bytes_max) {
    Asked asked;
    asked.operation = static_cast<Operation>(descriptor.operation & kOperationMask);
    asked.durable = (descriptor.operation & kDurable) != 0;
    asked.keep_allocated = (descriptor.operation & kKeepAllocated) != 0;
    switch (asked.operation) {
        case Operation::Flush:
            return asked;
        case Operation::Read:
        case Operation::Write:
        case Operation::Discard:
        case Operation::WriteZeroes:
            break;
        default:
            return Error{ErrorCode::Unsupported, "an operation that was not offered"};
    }
    const std::uint64_t size_sectors = size_bytes / kSectorBytes;
    if (descriptor.first_sector > size_sectors ||
        descriptor.sectors > size_sectors - descriptor.first_sector) {
        return Error{ErrorCode::Invalid, "beyond the end of the device"};
    }
    asked.offset = descriptor.first_sector * kSectorBytes;
    asked.length = std::uint64_t{descriptor.sectors} * kSectorBytes;
    const bool payload = asked.operation == Operation::Read || asked.operation == Operation::Write;
    if (payload && asked.length > request_bytes_max) {
        return Error{ErrorCode::Invalid, "longer than its buffer"};
    }
    return asked;
}

std::uint64_t make_token(unsigned minor, std::uint64_t random) {
    return kTokenMagic << kMagicShift | (minor & kMinorMask) << kMinorShift |
           (random & kRandomMask);
}

std::optional<unsigned> minor_of_token(std::uint64_t token) {
    if (token >> kMagicShift != kTokenMagic) {
        return std::nullopt;
    }
    return static_cast<unsigned>(token >> kMinorShift & kMinorMask);
}

std::string token_text(std::uint64_t token) {
    return base::format("%016llx", static_cast<unsigned long long>(token));
}

std::optional<std::uint64_t> parse_token(std::string_view text) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    std::uint64_t token = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, token, 16);
    if (text.size() != kTokenDigits || error != std::errc{} || stopped != end ||
        !minor_of_token(token)) {
        return std::nullopt;
    }
    return token;
}

std::optional<std::uint32_t> index_of(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    name.remove_prefix(prefix.size());
    std::uint32_t index = 0;
    const char* end = name.data() + name.size();
    const auto [stopped, error] = std::from_chars(name.data(), end, index);
    if (error != std::errc{} || stopped != end) {
        return std::nullopt;  // a partition, or another driver's
    }
    return index;
}

}  // namespace shim::ublk
