#include "heartbeat/wire/text.h"

#include "base/require.h"
#include "heartbeat/wire/base64.h"
#include "heartbeat/wire/invalid.h"
#include "heartbeat/wire/netstring.h"

#include <algorithm>

namespace hb::wire {
namespace {

constexpr char kNewlineInValue = 19;

// A structure's lines must not end the line that it stands on, so each level has an end of its own.
char line_end(int depth) {
    return depth == 0 ? '\n' : static_cast<char>(19 + depth);
}

std::string lines_of(const std::vector<Field>& fields, int depth);

// A structure is in the netstring form here and checked when it came; one that the daemon itself
// made wrongly is its own bug.
std::string structure_lines(std::string_view value, int depth) {
    REQUIRE(depth <= kMaxNesting);
    const auto frame = take_netstring_frame(value);
    REQUIRE(frame.has_value());
    const auto inner = message_of(*frame, depth);
    REQUIRE(inner.has_value());
    return ">>>" + std::string(1, line_end(depth)) + lines_of(inner->fields(), depth) + "<<<" +
           line_end(depth);
}

std::string without_newlines(std::string value) {
    std::ranges::replace(value, '\n', kNewlineInValue);
    return value;
}

std::string value_of(const Field& field, int depth) {
    switch (field.type) {
        case FieldType::binary:
            return to_base64(field.value);
        case FieldType::structure:
            return structure_lines(field.value, depth + 1);
        case FieldType::string:
        case FieldType::list:
            break;
    }
    return without_newlines(field.value);
}

std::string lines_of(const std::vector<Field>& fields, int depth) {
    std::string out;
    for (const Field& field : fields) {
        if (field.type != FieldType::string) {
            out.append(1, '(').append(1, static_cast<char>('0' + static_cast<int>(field.type)));
            out.append(1, ')');
        }
        out.append(field.name).append(1, '=').append(value_of(field, depth));
        out.append(1, line_end(depth));
    }
    return out;
}

std::string_view take_line(std::string_view& rest, char end) {
    const std::size_t length = rest.find(end);
    const std::string_view line = rest.substr(0, length);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    return line;
}

base::Result<Message> message_of(std::string_view lines, int depth);

base::Result<std::string> structure_of(std::string_view text, int depth) {
    if (depth > kMaxNesting) {
        return base::Error{base::ErrorCode::TooBig, "structures are nested too deeply"};
    }
    const std::string head = std::string(">>>") + line_end(depth);
    if (text.ends_with(line_end(depth))) {
        text.remove_suffix(1);
    }
    if (!text.starts_with(head) || !text.substr(head.size()).ends_with("<<<")) {
        return invalid("a structure is not framed by >>> and <<<");
    }
    text.remove_prefix(head.size());
    text.remove_suffix(3);
    const auto inner = message_of(text, depth);
    if (!inner) {
        return inner.error();
    }
    return netstring_frame(inner->fields());
}

base::Result<std::string> value_of_text(std::string_view text, FieldType type, int depth) {
    if (type == FieldType::binary) {
        return from_base64(text);
    }
    if (type == FieldType::structure) {
        return structure_of(text, depth + 1);
    }
    std::string value(text);
    std::ranges::replace(value, kNewlineInValue, '\n');
    if (type == FieldType::list) {
        if (const auto list = check_list(value); !list) {
            return list.error();
        }
    }
    return value;
}

base::Result<Field> field_of_line(std::string_view line, int depth) {
    Field field;
    if (line.starts_with('(')) {
        if (line.size() < 3 || line[1] < '1' || line[1] > '3' || line[2] != ')') {
            return invalid("a line starts with an unknown type");
        }
        field.type = static_cast<FieldType>(line[1] - '0');
        line.remove_prefix(3);
    }
    const std::size_t equals = line.find('=');
    if (equals == line.npos) {
        return invalid("a line is not of the form name=value");
    }
    field.name = line.substr(0, equals);
    auto value = value_of_text(line.substr(equals + 1), field.type, depth);
    if (!value) {
        return value.error();
    }
    field.value = std::move(*value);
    return field;
}

base::Result<Message> message_of(std::string_view lines, int depth) {
    Message message;
    while (!lines.empty()) {
        auto field = field_of_line(take_line(lines, line_end(depth)), depth);
        if (!field) {
            return field.error();
        }
        if (auto added = add_checked(message, std::move(*field)); !added) {
            return added.error();
        }
    }
    return message;
}

}  // namespace

std::string text_lines(const std::vector<Field>& fields) {
    return lines_of(fields, 0);
}

base::Result<TextBlock> open_text_block(std::string_view block) {
    while (block.ends_with('\0')) {
        block.remove_suffix(1);
    }
    if (!block.starts_with(kTextHead)) {
        return invalid("the message does not start with >>>");
    }
    block.remove_prefix(kTextHead.size());
    TextBlock out;
    while (!block.empty()) {
        const std::string_view line = take_line(block, '\n');
        if (line == "<<<") {
            return block.empty() ? base::Result<TextBlock>(std::move(out))
                                 : invalid("bytes follow the end of the message");
        }
        if (!line.starts_with("auth=")) {
            out.signed_lines.append(line).append(1, '\n');
        } else if (out.auth) {
            return invalid("the field auth is there twice");
        } else {
            out.auth = line.substr(5);
        }
    }
    return invalid("the message does not end with <<<");
}

base::Result<Message> message_of_lines(std::string_view lines) {
    return message_of(lines, 0);
}

}  // namespace hb::wire
