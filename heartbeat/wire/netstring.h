// The netstring form: "###\n", fields as netstrings, "%%%\n". Heartbeat specification, section 2.2.
// Nothing here knows of digests; the trailer of a datagram is a plain netstring behind the fields.
#pragma once

#include "heartbeat/wire/message.h"

namespace hb::wire {

inline constexpr std::string_view kNetstringHead = "###\n";
inline constexpr std::string_view kNetstringEnd = "%%%\n";

// Takes "<length>:<bytes>," off the front of `rest` and returns the bytes.
base::Result<std::string_view> take_netstring(std::string_view& rest);
void put_netstring(std::string& out, std::string_view bytes);

// Takes "###\n...%%%\n" off the front of `rest` without looking into the fields: a receiver checks
// the digest first. The views point into `rest`.
struct NetstringFrame {
    std::string_view whole;  // what the digest covers
    std::vector<std::string_view> fields;
};

base::Result<NetstringFrame> take_netstring_frame(std::string_view& rest);

// The fields of a frame, structures and lists checked to the bottom. `depth` is that of the frame.
base::Result<Message> message_of(const NetstringFrame& frame, int depth);
std::string netstring_frame(const std::vector<Field>& fields);

// Whether a list is what it says, a sequence of netstrings.
base::Result<void> check_list(std::string_view value);

// What both forms ask of a field that came in, before it joins `message`.
base::Result<void> add_checked(Message& message, Field field);

}  // namespace hb::wire
