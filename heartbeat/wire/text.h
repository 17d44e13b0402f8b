// The text form: ">>>", a line for each field, "<<<". Heartbeat specification, sections 2.3
// and 2.4.
#pragma once

#include "heartbeat/wire/message.h"

#include <optional>

namespace hb::wire {

inline constexpr std::string_view kTextHead = ">>>\n";
inline constexpr std::string_view kTextEnd = "<<<\n";

// A line for each field, without head and end: what the digest in the field "auth" covers.
std::string text_lines(const std::vector<Field>& fields);

// A block without its frame. The lines of the digest are those that came, not those that we would
// have written, so that it can be checked before anything is believed.
struct TextBlock {
    std::string signed_lines;
    std::optional<std::string> auth;  // "<index> <hexdigest>"
};

// Takes a whole block; NULs may follow it, and its last newline may be missing.
base::Result<TextBlock> open_text_block(std::string_view block);
base::Result<Message> message_of_lines(std::string_view lines);

}  // namespace hb::wire
