// One request of the transmission phase: decoding, and whether it may be executed. Pure.
// Block front ends specification, sections 1.2, 1.3 and 1.5.
#pragma once

#include "base/bytes.h"
#include "nbd-backend/export.h"
#include "nbd-backend/protocol.h"

#include <cstdint>
#include <optional>

namespace nbd {

struct Request {
    std::uint16_t flags = 0;
    std::uint16_t type = 0;    // a Command, or anything else that a client may invent
    std::uint64_t cookie = 0;  // opaque, returned in the reply
    std::uint64_t offset = 0;  // bytes
    std::uint64_t length = 0;  // bytes

    Command command() const { return static_cast<Command>(type); }

    bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};

// How long the header of each request is.
std::size_t request_bytes(const Session& session);

// `in` is exactly request_bytes() long. Nothing when the magic is wrong: the framing is lost.
std::optional<Request> decode_request(base::ConstBytes in, const Session& session);

// How many bytes of data follow the header.
std::uint64_t payload_bytes(const Request& request, const Session& session);

// An error for the client; `text` goes out in structured replies and is short and static.
struct Refusal {
    WireError error = WireError::None;
    const char* text = "";

    explicit operator bool() const { return error != WireError::None; }
};

// What must be answered instead of executing the request; no error when it may be executed. The
// payload of a refused request has to be read all the same.
Refusal check_request(const Request& request, const Session& session);

}  // namespace nbd
