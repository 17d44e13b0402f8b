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

// Every answer of ours is one chunk. `in_head` bytes of its payload follow in the head, to be
// filled by the caller; `in_data` come from a buffer.
Reply only_chunk(const Request& request, Chunk type, std::size_t in_head, std::size_t in_data) {
    Reply reply;
    reply.head_length = kChunkHeaderBytes + in_head;
    base::put_be32(reply.head, 0, kChunkMagic);
    base::put_be16(reply.head, 4, kChunkDone);
    base::put_be16(reply.head, 6, static_cast<std::uint16_t>(type));
    base::put_be64(reply.head, 8, request.cookie);
    base::put_be32(reply.head, 16, static_cast<std::uint32_t>(in_head + in_data));
    return reply;
}

}  // namespace

Reply success(const Request& request, const Session& session) {
    if (session.structured_replies && request.command() == Command::Read) {
        return only_chunk(request, Chunk::None, 0, 0);
    }
    return simple(request, WireError::None);
}

Reply read_data(const Request& request, const Session& session, const io::Slice& data) {
    Reply reply;
    if (session.structured_replies) {
        reply = only_chunk(request, Chunk::OffsetData, 8, data.length);
        base::put_be64(reply.head, kChunkHeaderBytes, request.offset);
    } else {
        reply = simple(request, WireError::None);
    }
    reply.data = data;
    return reply;
}

Reply block_status(const Request& request) {
    Reply reply = only_chunk(request, Chunk::BlockStatus, 12, 0);
    base::put_be32(reply.head, kChunkHeaderBytes, kBaseAllocationId);
    base::put_be32(reply.head, kChunkHeaderBytes + 4, request.length);
    base::put_be32(reply.head, kChunkHeaderBytes + 8, 0);
    return reply;
}

Reply failure(const Request& request, const Session& session, const Refusal& refusal) {
    if (!session.structured_replies) {
        return simple(request, refusal.error);
    }
    const std::size_t room = Reply::kHeadLimit - kChunkHeaderBytes - 6;
    const std::size_t length = std::min(std::strlen(refusal.text), room);
    Reply reply = only_chunk(request, Chunk::Error, 6 + length, 0);
    base::put_be32(reply.head, kChunkHeaderBytes, static_cast<std::uint32_t>(refusal.error));
    base::put_be16(reply.head, kChunkHeaderBytes + 4, static_cast<std::uint16_t>(length));
    std::memcpy(reply.head.data() + kChunkHeaderBytes + 6, refusal.text, length);
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
