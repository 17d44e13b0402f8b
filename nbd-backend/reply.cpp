#include "nbd-backend/reply.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nbd {

namespace {

constexpr std::size_t kCompactAfter = 256;  // replies sent while the queue never became empty

Reply simple(const Request& request, WireError error) {
    Reply reply;
    reply.head_length = kSimpleReplyBytes;
    base::put_be32(reply.head, 0, kSimpleReplyMagic);
    base::put_be32(reply.head, 4, static_cast<std::uint32_t>(error));
    base::put_be64(reply.head, 8, request.cookie);
    return reply;
}

std::size_t header_bytes(const Session& session) {
    return session.extended_headers ? kExtendedChunkHeaderBytes : kChunkHeaderBytes;
}

void put_header(base::Bytes out,
                const Request& request,
                const Session& session,
                Chunk type,
                bool last,
                std::size_t payload) {
    base::put_be32(out, 0, session.extended_headers ? kExtendedChunkMagic : kChunkMagic);
    base::put_be16(out, 4, last ? kChunkDone : 0);
    base::put_be16(out, 6, static_cast<std::uint16_t>(type));
    base::put_be64(out, 8, request.cookie);
    if (session.extended_headers) {
        base::put_be64(out, 16, request.offset);
        base::put_be64(out, 24, payload);
    } else {
        base::put_be32(out, 16, static_cast<std::uint32_t>(payload));
    }
}

// `in_head` bytes of its payload follow in the head, to be filled by the caller; `in_data` come
// from a buffer.
Reply only_chunk(const Request& request,
                 const Session& session,
                 Chunk type,
                 std::size_t in_head,
                 std::size_t in_data) {
    Reply reply;
    reply.head_length = header_bytes(session) + in_head;
    put_header(reply.head, request, session, type, true, in_head + in_data);
    return reply;
}

std::size_t status_bytes(const Extents& extents, const Session& session) {
    const std::size_t head = session.extended_headers ? 8 : 4;
    return header_bytes(session) + head + extents.size() * (session.extended_headers ? 16 : 8);
}

// Returns what is left of `out`.
base::Bytes put_status(base::Bytes out,
                       const Request& request,
                       const Session& session,
                       std::uint32_t context,
                       const Extents& extents,
                       bool last) {
    const bool extended = session.extended_headers;
    const std::size_t bytes = status_bytes(extents, session);
    std::size_t at = header_bytes(session);
    put_header(out,
               request,
               session,
               extended ? Chunk::BlockStatusExtended : Chunk::BlockStatus,
               last,
               bytes - at);
    base::put_be32(out, at, context);
    if (extended) {
        base::put_be32(out, at + 4, static_cast<std::uint32_t>(extents.size()));
        at += 8;
        for (const Extent& extent : extents) {
            base::put_be64(out, at, extent.bytes);
            base::put_be64(out, at + 8, extent.flags);
            at += 16;
        }
    } else {
        at += 4;
        for (const Extent& extent : extents) {
            base::put_be32(out, at, static_cast<std::uint32_t>(extent.bytes));
            base::put_be32(out, at + 4, extent.flags);
            at += 8;
        }
    }
    REQUIRE(at == bytes);
    return out.subspan(bytes);
}

}  // namespace

Reply success(const Request& request, const Session& session) {
    if (session.extended_headers ||
        (session.structured_replies && request.command() == Command::Read)) {
        return only_chunk(request, session, Chunk::None, 0, 0);
    }
    return simple(request, WireError::None);
}

Reply read_data(const Request& request, const Session& session, const io::Slice& data) {
    Reply reply;
    if (session.structured_replies) {
        reply = only_chunk(request, session, Chunk::OffsetData, 8, data.length);
        base::put_be64(reply.head, header_bytes(session), request.offset);
    } else {
        reply = simple(request, WireError::None);
    }
    reply.data = data;
    return reply;
}

Reply block_status(const Request& request,
                   const Session& session,
                   const Extents& allocation,
                   const Extents& out_of_sync,
                   io::BufferPool& pool) {
    REQUIRE(session.base_allocation || session.out_of_sync);
    const Extents allocated = allocation.empty() ? Extents{{request.length, 0}} : allocation;
    std::size_t bytes = 0;
    if (session.base_allocation) {
        bytes += status_bytes(allocated, session);
    }
    if (session.out_of_sync) {
        REQUIRE(!out_of_sync.empty());
        bytes += status_bytes(out_of_sync, session);
    }
    Reply reply;
    reply.data = pool.allocate_slice(bytes);
    base::Bytes rest = reply.data.bytes();
    if (session.base_allocation) {
        rest =
            put_status(rest, request, session, kBaseAllocationId, allocated, !session.out_of_sync);
    }
    if (session.out_of_sync) {
        rest = put_status(rest, request, session, kOutOfSyncId, out_of_sync, true);
    }
    REQUIRE(rest.empty());
    return reply;
}

Reply failure(const Request& request, const Session& session, const Refusal& refusal) {
    if (!session.structured_replies) {
        return simple(request, refusal.error);
    }
    const std::size_t header = header_bytes(session);
    const std::size_t room = Reply::kHeadLimit - header - 6;
    const std::size_t length = std::min(std::strlen(refusal.text), room);
    Reply reply = only_chunk(request, session, Chunk::Error, 6 + length, 0);
    base::put_be32(reply.head, header, static_cast<std::uint32_t>(refusal.error));
    base::put_be16(reply.head, header + 4, static_cast<std::uint16_t>(length));
    std::memcpy(reply.head.data() + header + 6, refusal.text, length);
    return reply;
}

Refusal refusal_for(int error) {
    switch (error) {
        case 0:
            return {};
        case EPERM:
        case EROFS:
            return {WireError::Perm, "the device is read-only"};
        case EINVAL:
            return {WireError::Invalid, "the device does not accept this request"};
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return {WireError::NoSpace, "no space left on the device"};
        case ESHUTDOWN:
            return {WireError::Shutdown, "the server is going down"};
        default:
            return {WireError::Io, "input/output error"};
    }
}

std::span<iovec> ReplyQueue::gather(std::span<iovec> out) {
    std::size_t used = 0;
    std::size_t skip = sent_of_first_;
    for (std::size_t i = first_; i < replies_.size() && used + 2 <= out.size(); ++i) {
        Reply& reply = replies_[i];
        if (skip < reply.head_length) {
            out[used++] = {reply.head.data() + skip, reply.head_length - skip};
            skip = 0;
        } else {
            skip -= reply.head_length;
        }
        if (!reply.data.empty()) {
            const base::Bytes rest = reply.data.bytes().subspan(skip);
            out[used++] = {rest.data(), rest.size()};
        }
        skip = 0;
    }
    return out.first(used);
}

ReplyQueue::Credit ReplyQueue::sent(std::size_t bytes) {
    Credit credit;
    sent_of_first_ += bytes;
    while (first_ < replies_.size() && sent_of_first_ >= replies_[first_].length()) {
        Reply& reply = replies_[first_++];
        sent_of_first_ -= reply.length();
        credit.requests += reply.requests_charged;
        credit.bytes += reply.bytes_charged;
        reply.data = {};
    }
    REQUIRE(!empty() || sent_of_first_ == 0);
    if (empty()) {
        replies_.clear();
        first_ = 0;
    } else if (first_ >= kCompactAfter) {
        replies_.erase(replies_.begin(), replies_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    return credit;
}

}  // namespace nbd
