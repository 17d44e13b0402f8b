#include "heartbeat/wire/netstring.h"

#include "heartbeat/wire/invalid.h"

#include <algorithm>
#include <charconv>

namespace hb::wire {
namespace {

// A name is a word: what is not printable, or part of the grammar of a form, is no name.
bool is_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return c > ' ' && c < 0x7f && c != '=' && c != '(' && c != ')';
    });
}

base::Result<void> check_structure(std::string_view value, int depth) {
    auto frame = take_netstring_frame(value);
    if (!frame) {
        return frame.error();
    }
    if (!value.empty()) {
        return invalid("bytes follow the end of a structure");
    }
    const auto inner = message_of(*frame, depth);
    return inner ? base::Result<void>() : inner.error();
}

base::Result<Field> field_of(std::string_view bytes, int depth) {
    const std::size_t equals = bytes.find('=');
    if (bytes.size() < 5 || bytes[0] != '(' || bytes[2] != ')' || equals == bytes.npos) {
        return invalid("a field is not of the form (type)name=value");
    }
    const char type = bytes[1];
    if (type == '4' || type == '5') {
        return base::Error{
            base::ErrorCode::Unsupported,
            "a field is compressed; set compression_threshold of the partner higher"};
    }
    if (type < '0' || type > '3') {
        return invalid("a field is of an unknown type");
    }
    Field field{std::string(bytes.substr(3, equals - 3)),
                static_cast<FieldType>(type - '0'),
                std::string(bytes.substr(equals + 1))};
    base::Result<void> inner;
    if (field.type == FieldType::structure) {
        inner = check_structure(field.value, depth + 1);
    } else if (field.type == FieldType::list) {
        inner = check_list(field.value);
    }
    return inner ? base::Result<Field>(std::move(field)) : inner.error();
}

}  // namespace

base::Result<std::string_view> take_netstring(std::string_view& rest) {
    const std::string_view digits = rest.substr(0, 8);
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    const auto used = static_cast<std::size_t>(end - digits.data());
    if (error != std::errc() || used >= digits.size() || digits[used] != ':' ||
        (digits[0] == '0' && used > 1)) {
        return invalid("a length is not a decimal number followed by a colon");
    }
    const std::string_view behind = rest.substr(used + 1);
    if (length >= behind.size() || behind[length] != ',') {
        return invalid("a field is longer than the message or has no comma at its end");
    }
    rest = behind.substr(length + 1);
    return behind.substr(0, length);
}

void put_netstring(std::string& out, std::string_view bytes) {
    out.append(std::to_string(bytes.size())).append(1, ':').append(bytes).append(1, ',');
}

base::Result<NetstringFrame> take_netstring_frame(std::string_view& rest) {
    if (!rest.starts_with(kNetstringHead)) {
        return invalid("the message does not start with ###");
    }
    std::string_view at = rest.substr(kNetstringHead.size());
    NetstringFrame frame;
    while (!at.starts_with(kNetstringEnd)) {
        if (frame.fields.size() == kMaxFields) {
            return base::Error{base::ErrorCode::TooBig, "the message has too many fields"};
        }
        auto field = take_netstring(at);
        if (!field) {
            return field.error();
        }
        frame.fields.push_back(*field);
    }
    at.remove_prefix(kNetstringEnd.size());
    frame.whole = rest.substr(0, rest.size() - at.size());
    rest = at;
    return frame;
}

base::Result<Message> message_of(const NetstringFrame& frame, int depth) {
    if (depth > kMaxNesting) {
        return base::Error{base::ErrorCode::TooBig, "structures are nested too deeply"};
    }
    Message message;
    for (const std::string_view bytes : frame.fields) {
        auto field = field_of(bytes, depth);
        if (!field) {
            return field.error();
        }
        if (auto added = add_checked(message, std::move(*field)); !added) {
            return added.error();
        }
    }
    return message;
}

std::string netstring_frame(const std::vector<Field>& fields) {
    std::string out(kNetstringHead);
    for (const Field& field : fields) {
        const char type = static_cast<char>('0' + static_cast<int>(field.type));
        put_netstring(out, std::string("(") + type + ")" + field.name + "=" + field.value);
    }
    return out.append(kNetstringEnd);
}

base::Result<void> check_list(std::string_view value) {
    while (!value.empty()) {
        if (auto item = take_netstring(value); !item) {
            return item.error();
        }
    }
    return {};
}

base::Result<void> add_checked(Message& message, Field field) {
    if (!is_name(field.name)) {
        return invalid("a field has no proper name");
    }
    if (field.name.size() > kMaxNameBytes) {
        return base::Error{base::ErrorCode::TooBig, "a field's name is too long"};
    }
    if (message.has(field.name)) {
        return invalid("the field " + field.name + " is there twice");
    }
    if (message.fields().size() == kMaxFields) {
        return base::Error{base::ErrorCode::TooBig, "the message has too many fields"};
    }
    if (field.type == FieldType::string && field.value.find('\0') != std::string::npos) {
        return invalid("the text of field " + field.name + " contains a NUL");
    }
    message.set_field(std::move(field));
    return {};
}

}  // namespace hb::wire
