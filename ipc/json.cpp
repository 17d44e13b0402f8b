#include "ipc/json.h"

#include <array>

namespace ipc {

namespace {

constexpr std::size_t kMaxDepth = 16;

// What is wrong with a line before it is read; null: nothing. A deep nest would exhaust the stack
// of whoever walks it, and the keys of one object are compared with each other. As far as the line
// is JSON, brackets and colons outside of strings tell both; behind that the parser does not read.
const char* beyond_limits(std::string_view line) {
    std::array<std::size_t, kMaxDepth + 1> keys{};
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
        const char c = line[at];
        if (in_string) {
            at += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > kMaxDepth) {
                return "a line is not a JSON object";
            }
            keys[depth] = 0;
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        } else if (c == ':' && ++keys[depth] > kMaxKeys) {
            return "a JSON object has more than 256 keys";
        }
    }
    return nullptr;
}

}  // namespace

// Names of files and outputs of scripts may be no UTF-8.
std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Without exceptions.
base::Result<Json> parse_object(std::string_view line) {
    if (line.size() >= kMaxLineBytes) {
        return base::Error{base::ErrorCode::TooBig, "a line has more than 1 MiB"};
    }
    if (const char* limit = beyond_limits(line)) {
        return base::Error{base::ErrorCode::Invalid, limit};
    }
    // Not with a callback of ours: the library then looks at all elements of an array once more for
    // each object in it.
    Json json = Json::parse(line.begin(), line.end(), nullptr, false);
    if (!json.is_object()) {
        return base::Error{base::ErrorCode::Invalid, "a line is not a JSON object"};
    }
    return json;
}

}  // namespace ipc
