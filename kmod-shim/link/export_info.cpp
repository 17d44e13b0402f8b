#include "kmod-shim/link/export_info.h"

#include "base/log.h"

namespace export_link {

using base::Error;
using base::ErrorCode;
using base::Result;

Result<void> check_usable(const ExportInfo& info) {
    if (info.read_only) {
        return Error{ErrorCode::State, "the export is read-only: the resource is not Primary here"};
    }
    if (info.size_bytes == 0 || info.size_bytes % 512 != 0) {
        return Error{ErrorCode::Invalid,
                     base::format("the export has %llu bytes, not a positive multiple of 512",
                                  static_cast<unsigned long long>(info.size_bytes))};
    }
    return {};
}

Result<void> check_same_export(const ExportInfo& before,
                               const ExportInfo& now,
                               bool size_may_change) {
    if (auto usable = check_usable(now); !usable) {
        return usable;
    }
    if (now.size_bytes != before.size_bytes && !size_may_change) {
        return Error{ErrorCode::State,
                     base::format("the export had %llu bytes and now has %llu",
                                  static_cast<unsigned long long>(before.size_bytes),
                                  static_cast<unsigned long long>(now.size_bytes))};
    }
    if (now.can_flush != before.can_flush || now.can_zero != before.can_zero ||
        now.can_fast_zero != before.can_fast_zero || now.can_fua != before.can_fua) {
        return Error{ErrorCode::State,
                     "the export's flags (flush, zeroes, fast zeroes, FUA) changed"};
    }
    return {};
}

}  // namespace export_link
