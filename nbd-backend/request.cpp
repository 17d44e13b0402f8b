#include "nbd-backend/request.h"

#include "base/units.h"

namespace nbd {

namespace {

// FUA is legal everywhere once it was announced, even where it means nothing.
std::uint16_t legal_flags(Command command, const Session& session) {
    switch (command) {
        case Command::Read:
            return session.structured_replies ? kFua | kDontFragment : kFua;
        case Command::Write:
            return session.extended_headers ? kFua | kPayloadLength : kFua;
        case Command::WriteZeroes:
            return kFua | kNoHole | kFastZero;
        case Command::BlockStatus:
            return kFua | kRequestOne;
        default:
            return kFua;
    }
}

bool changes_data(Command command) {
    return command == Command::Write || command == Command::Trim || command == Command::WriteZeroes;
}

bool carries_data(Command command) {
    return command == Command::Read || command == Command::Write;
}

bool is_aligned(const Request& request, std::uint32_t block_bytes) {
    return ((request.offset | request.length) & (block_bytes - 1)) == 0;
}

// Clients expect "no space" from what would extend the device, "invalid" from the rest.
Refusal check_range(const Request& request, const Export& volume) {
    if (request.offset <= volume.size_bytes &&
        request.length <= volume.size_bytes - request.offset) {
        return {};
    }
    const bool extends =
        request.command() == Command::Write || request.command() == Command::WriteZeroes;
    return {extends ? WireError::NoSpace : WireError::Invalid, "beyond the end of the device"};
}

Refusal check_options(const Request& request, const Session& session) {
    const Command command = request.command();
    if (request.type > static_cast<std::uint16_t>(Command::BlockStatus)) {
        return {WireError::Invalid, "unknown command"};
    }
    if (changes_data(command) && session.volume.read_only) {
        return {WireError::Perm, "the export is read-only"};
    }
    if ((request.flags & ~legal_flags(command, session)) != 0) {
        return {WireError::Invalid, "a flag that this command does not have"};
    }
    if (command == Command::Trim && !session.volume.can_discard) {
        return {WireError::Invalid, "TRIM was not offered"};
    }
    if (command == Command::BlockStatus && !session.base_allocation && !session.out_of_sync) {
        return {WireError::Invalid, "no context was negotiated"};
    }
    return {};
}

}  // namespace

std::size_t request_bytes(const Session& session) {
    return session.extended_headers ? kExtendedRequestBytes : kRequestBytes;
}

std::optional<Request> decode_request(base::ConstBytes in, const Session& session) {
    REQUIRE(in.size() == request_bytes(session));
    const bool extended = session.extended_headers;
    if (base::get_be32(in, 0) != (extended ? kExtendedRequestMagic : kRequestMagic)) {
        return std::nullopt;
    }
    Request request;
    request.flags = base::get_be16(in, 4);
    request.type = base::get_be16(in, 6);
    request.cookie = base::get_be64(in, 8);
    request.offset = base::get_be64(in, 16);
    request.length = extended ? base::get_be64(in, 24) : base::get_be32(in, 24);
    return request;
}

// With extended headers the flag says it, for any command. A WRITE should have it, but QEMU's has
// not (seen with 10.0), and data follow all the same.
std::uint64_t payload_bytes(const Request& request, const Session& session) {
    if (request.command() == Command::Disconnect) {
        return 0;  // nothing is read any more
    }
    const bool announced = session.extended_headers && request.has(kPayloadLength);
    return announced || request.command() == Command::Write ? request.length : 0;
}

Refusal check_request(const Request& request, const Session& session) {
    const Command command = request.command();
    if (command == Command::Disconnect) {
        return {};  // it has no reply: there is no way to refuse it
    }
    if (const Refusal refusal = check_options(request, session)) {
        return refusal;
    }
    if (command == Command::Flush) {
        return {};  // without a range
    }
    if (const Refusal refusal = check_range(request, session.volume)) {
        return refusal;
    }
    if (carries_data(command) && request.length > kMaxPayloadBytes) {
        return {WireError::Invalid, "more than 32 MiB in one request"};
    }
    if (command == Command::WriteZeroes && request.has(kFastZero) &&
        (!session.volume.fast_zeroes || !is_aligned(request, session.volume.block_bytes))) {
        return {WireError::NotSupported, "zeroing is not faster than writing here"};
    }
    // The announced minimum may have grown since a client, or a loop device above it, came to know
    // it: any multiple of a sector is served.
    if (!is_aligned(request, base::kSectorBytes)) {
        return {WireError::Invalid, "not aligned to sectors of 512 bytes"};
    }
    if (command == Command::BlockStatus && request.length == 0) {
        return {WireError::Invalid, "block status of nothing"};
    }
    return {};
}

}  // namespace nbd
