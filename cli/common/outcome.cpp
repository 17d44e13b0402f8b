#include "cli/common/outcome.h"

#include "drbdd/control/messages.h"

namespace cli {

int exit_code(int code) {
    if (code >= 0 && code <= 4) {
        return 0;  // 1 to 4 are the success codes of a state change
    }
    if (control::error_text(code).empty()) {
        return kExitUsage;
    }
    if (code > 0) {
        return 10;
    }
    switch (code) {
        case -2:
            return 17;
        case -4:
            return 16;
        case -16:
            return 5;
        default:
            return 11;
    }
}

std::string failure_text(const std::string& object, int code, const std::string& text) {
    const std::string number = "(" + std::to_string(code) + ") ";
    const std::string kind = code < 0 ? ": State change failed: " : ": Failure: ";
    const std::string original(control::error_text(code));
    if (original.empty()) {
        return object + ": Error code " + std::to_string(code) + " unknown.\n" + text;
    }
    std::string more = text.starts_with(original) ? text.substr(original.size()) : text;
    more.erase(0, more.find_first_not_of('\n'));
    return object + kind + number + original +
           (more.empty() ? "" : "\nadditional info from kernel:\n" + more);
}

}  // namespace cli
