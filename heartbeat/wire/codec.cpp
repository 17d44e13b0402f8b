// Messages to bytes and back: the forms of netstring.h and text.h, with the digests of digest.h.
#include "heartbeat/wire/digest.h"
#include "heartbeat/wire/message.h"
#include "heartbeat/wire/netstring.h"
#include "heartbeat/wire/text.h"

namespace hb::wire {
namespace {

constexpr std::string_view kAuth = "auth";

base::Error too_big() {
    return {base::ErrorCode::TooBig, "the message is longer than 256 KiB"};
}

bool is_text(std::string_view bytes) {
    return bytes.starts_with(kTextHead);
}

base::Result<Message> checked(base::Result<Message> message) {
    if (message && message->has(kAuth)) {
        return base::Error{base::ErrorCode::Invalid, "the field auth is not text"};
    }
    if (message && message->type().empty()) {
        return base::Error{base::ErrorCode::Invalid, "the message has no type, field t"};
    }
    return message;
}

base::Result<Message> decode_text(std::string_view block, const config::Authkeys& keys) {
    const auto text = open_text_block(block);
    if (!text) {
        return text.error();
    }
    if (!text->auth) {
        return base::Error{base::ErrorCode::Permission, "the message has no field auth"};
    }
    if (auto good = verify(keys, *text->auth, text->signed_lines); !good) {
        return good.error();
    }
    return message_of_lines(text->signed_lines);
}

// The inner digest is not checked here: the trailer covers it, and the original does not either.
base::Result<Message> fields_of(NetstringFrame frame) {
    std::erase_if(frame.fields,
                  [](std::string_view field) { return field.starts_with("(0)auth="); });
    return message_of(frame, 0);
}

base::Result<Message> decode_netstring(std::string_view datagram, const config::Authkeys& keys) {
    auto frame = take_netstring_frame(datagram);
    if (!frame) {
        return frame.error();
    }
    const auto trailer = take_netstring(datagram);
    if (!trailer) {
        return base::Error{base::ErrorCode::Permission, "the message has no digest at its end"};
    }
    if (datagram.find_first_not_of('\0') != datagram.npos) {
        return base::Error{base::ErrorCode::Invalid, "bytes follow the end of the message"};
    }
    if (auto good = verify(keys, *trailer, frame->whole); !good) {
        return good.error();
    }
    return fields_of(std::move(*frame));
}

}  // namespace

base::Result<Message> decode(std::string_view datagram, const config::Authkeys& keys) {
    if (datagram.size() > kMaxMessageBytes) {
        return too_big();
    }
    return checked(is_text(datagram) ? decode_text(datagram, keys)
                                     : decode_netstring(datagram, keys));
}

base::Result<Message> decode_local(std::string_view block) {
    if (block.size() > kMaxMessageBytes) {
        return too_big();
    }
    if (is_text(block)) {
        const auto text = open_text_block(block);
        return text ? checked(message_of_lines(text->signed_lines)) : text.error();
    }
    auto frame = take_netstring_frame(block);
    return frame ? checked(fields_of(std::move(*frame))) : frame.error();
}

std::string encode_netstring(const Message& message,
                             const config::Authkeys& keys,
                             bool inner_auth) {
    std::vector<Field> fields = message.fields();
    if (inner_auth) {
        fields.push_back(
            {std::string(kAuth), FieldType::string, sign(keys, text_lines(message.fields()))});
    }
    std::string out = netstring_frame(fields);
    put_netstring(out, sign(keys, out));
    return out;
}

std::string encode_text(const Message& message, const config::Authkeys& keys) {
    const std::string lines = text_lines(message.fields());
    return std::string(kTextHead) + lines + std::string(kAuth) + "=" + sign(keys, lines) + "\n" +
           std::string(kTextEnd);
}

std::string encode_local(const Message& message) {
    return std::string(kTextHead) + text_lines(message.fields()) + std::string(kTextEnd);
}

}  // namespace hb::wire
