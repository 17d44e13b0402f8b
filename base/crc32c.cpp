#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace base {

namespace {

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // ISA-L counts in int

}  // namespace

// ISA-L takes the fastest way that the processor has, and never writes to its input.
std::uint32_t crc32c_raw(std::uint32_t crc, ConstBytes data) {
    while (!data.empty()) {
        const ConstBytes part = data.first(std::min(data.size(), kMostAtOnce));
        crc =
            crc32_iscsi(const_cast<std::uint8_t*>(part.data()), static_cast<int>(part.size()), crc);
        data = data.subspan(part.size());
    }
    return crc;
}

}  // namespace base
