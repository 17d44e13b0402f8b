// What seems to live at the start of a device, so that create-md can refuse to cut it off. Pure:
// looks at the first kProbeBytes and trusts none of them. Metadata specification, section 10.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>

namespace drbdmeta {

inline constexpr std::uint64_t kProbeBytes = 69632;  // 68 KiB

struct Content {
    std::string name;                       // "ext3 filesystem"
    std::optional<std::uint64_t> size_kib;  // what it uses; none: known, but not how large
    bool recognised = true;                 // false: only that there are bytes
};

// nullopt: all zero. `start` is kProbeBytes long.
std::optional<Content> probe_content(base::ConstBytes start);

}  // namespace drbdmeta
