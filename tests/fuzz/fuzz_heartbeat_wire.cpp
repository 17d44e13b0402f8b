// The input is what anybody may send to the heartbeat port, or write on a serial line or the FIFO.
// Without the key nearly all of it would end at the digest, so the same bytes are also read without
// one. What was read must be written, in both forms, and read again as the same.
#include "base/require.h"
#include "config/ha/authkeys.h"
#include "heartbeat/wire/message.h"
#include "heartbeat/wire/text_framer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

const config::Authkeys& keys() {
    static const config::Authkeys crc{2, {{2, config::AuthMethod::Crc, ""}}};
    return crc;
}

// Bytes 19 to 31 of strings are newlines of the text form, so those have no faithful one.
bool has_text_form(const hb::wire::Message& message) {
    return std::ranges::none_of(message.fields(), [](const hb::wire::Field& field) {
        return field.type != hb::wire::FieldType::binary &&
               std::ranges::any_of(field.value, [](char c) { return c >= 15 && c < 32; });
    });
}

void check(const base::Result<hb::wire::Message>& message) {
    if (!message) {
        REQUIRE(!message.error().text.empty());
        return;
    }
    const auto again = hb::wire::decode(encode_netstring(*message, keys(), true), keys());
    REQUIRE((again && *again == *message) || again.error().code == base::ErrorCode::TooBig);
    const auto text = hb::wire::decode_local(encode_local(*message));
    REQUIRE(!has_text_form(*message) || (text && *text == *message) ||
            text.error().code == base::ErrorCode::TooBig);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check(hb::wire::decode(bytes, keys()));
    check(hb::wire::decode_local(bytes));
    // What comes behind the fields is a digest, which decode_local does not know.
    if (const std::size_t end = bytes.rfind("%%%\n"); end != bytes.npos) {
        check(hb::wire::decode_local(bytes.substr(0, end + 4)));
    }
    hb::wire::TextFramer framer;
    for (const std::string& block : framer.feed(bytes)) {
        check(hb::wire::decode_local(block));
    }
    return 0;
}
