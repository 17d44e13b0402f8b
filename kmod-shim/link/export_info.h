// What is known of the NBD export behind the volume, and whether the export found after a
// reconnect may take over its unanswered requests. Pure.
#pragma once

#include "base/result.h"

#include <cstdint>

namespace export_link {

struct ExportInfo {
    std::uint64_t size_bytes = 0;
    bool read_only = false;
    bool can_flush = false;
    bool can_zero = false;
    bool can_fast_zero = false;
    bool can_fua = false;
    bool can_trim = false;
    bool rotational = false;
};

// A volume must have a size and accept writes; anything else would only fail later and worse.
base::Result<void> check_usable(const ExportInfo& info);

// `now` replaces `before` under a live device: same size, same abilities. `size_may_change` is set
// while a resize is being carried out.
base::Result<void> check_same_export(const ExportInfo& before,
                                     const ExportInfo& now,
                                     bool size_may_change);

}  // namespace export_link
