#include "ipc/json.h"

namespace ipc {

namespace {

constexpr int kMaxDepth = 16;

}  // namespace

// Names of files and outputs of scripts may be no UTF-8.
std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Without exceptions, and bounded: a deep nest would exhaust the stack of whoever walks it.
base::Result<Json> parse_object(std::string_view line) {
    if (line.size() >= kMaxLineBytes) {
        return base::Error{base::ErrorCode::TooBig, "a line has more than 1 MiB"};
    }
    bool too_deep = false;
    Json json = Json::parse(
        line.begin(),
        line.end(),
        [&](int depth, Json::parse_event_t, Json&) {
            too_deep = too_deep || depth > kMaxDepth;
            return depth <= kMaxDepth;
        },
        false);
    if (too_deep || !json.is_object()) {
        return base::Error{base::ErrorCode::Invalid, "a line is not a JSON object"};
    }
    return json;
}

}  // namespace ipc
