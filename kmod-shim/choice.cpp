#include "kmod-shim/choice.h"

#include <optional>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

Result<Choice> choose(const std::vector<Way>& best_first, WithoutDevice none) {
    Choice choice;
    std::optional<ErrorCode> failed;
    std::string only_reason;
    const auto remember = [&](const Way& way, const std::string& reason) {
        only_reason = reason;
        choice.why_not_better +=
            (choice.why_not_better.empty() ? "" : "; ") + way.name + ": " + reason;
    };
    for (const Way& way : best_first) {
        if (const auto offered = way.offered(); !offered) {
            remember(way, offered.error().text);
            continue;
        }
        const auto taken = way.take();
        if (taken) {
            choice.name = way.name;
            return choice;
        }
        failed = taken.error().code;
        remember(way, taken.error().text);
    }
    if (!failed && none == WithoutDevice::Accepted) {
        return choice;
    }
    return Error{failed.value_or(ErrorCode::Unsupported),
                 best_first.size() == 1 ? only_reason : choice.why_not_better};
}

}  // namespace shim
