// A Heartbeat message: ordered, named fields, and its two forms on the wire. The netstring form is
// what nodes send each other over UDP and inside ICMP echo requests, the text form is what goes
// over serial lines and the local FIFO. Both carry digests made with a key of authkeys. Heartbeat
// specification, sections 1.3 and 2.2 to 2.6.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace config {
struct Authkeys;
}

namespace hb::wire {

inline constexpr std::size_t kMaxMessageBytes = std::size_t{256} * 1024;
inline constexpr std::size_t kMaxFields = 256;
inline constexpr std::size_t kMaxNameBytes = 255;
inline constexpr int kMaxNesting = 12;  // of structures; deeper ones have no text form

// The numbers are those of the wire, "(0)name=value".
enum class FieldType : std::uint8_t { string = 0, binary = 1, structure = 2, list = 3 };

// A structure's value is its fields in netstring form ("###\n...%%%\n"), a list's a sequence of
// netstrings, whichever form it came in; both are checked by decode.
struct Field {
    std::string name;
    FieldType type = FieldType::string;
    std::string value;

    bool operator==(const Field&) const = default;
};

// Names are unique, the order is kept. The digest field "auth" is never part of a message: decode
// takes it off and the encoders put it on.
class Message {
public:
    Message() = default;
    explicit Message(std::string_view type);

    // Appends the field, or replaces its value (and type) in place.
    Message& set(std::string_view name, std::string_view value);
    Message& set_binary(std::string_view name, std::string_view bytes);
    Message& set_field(Field field);

    std::string_view get(std::string_view name) const;  // "" if absent
    bool has(std::string_view name) const;

    std::string_view type() const { return get("t"); }

    const std::vector<Field>& fields() const { return fields_; }

    bool operator==(const Message&) const = default;

private:
    const Field* find(std::string_view name) const;

    std::vector<Field> fields_;
};

// Takes a whole datagram, or a whole block of text (">>>" to "<<<"), and believes nothing before
// its digest is right for the method and key of the index that it names. The error says why it is
// refused: Permission if the digest is wrong, missing or of an unknown key, Unsupported for
// compressed fields, TooBig beyond the limits above, Invalid otherwise.
base::Result<Message> decode(std::string_view datagram, const config::Authkeys& keys);

// The same without digests: what local programs write into the FIFO, which only root can open.
base::Result<Message> decode_local(std::string_view block);

// Signed with the effective key. `inner_auth` adds the field that a partner with `msgfmt classic`
// sends too; receivers of this form do not look at it.
std::string encode_netstring(const Message& message, const config::Authkeys& keys, bool inner_auth);
std::string encode_text(const Message& message, const config::Authkeys& keys);
std::string encode_local(const Message& message);

}  // namespace hb::wire
