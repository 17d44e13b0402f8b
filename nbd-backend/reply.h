// Replies: their encoding, and the queue from which they are sent. No socket: the caller gathers,
// sends and tells how much went out. READ data is sent from the buffer in which it arrived.
// Block front ends specification, sections 1.4 and 1.5.
#pragma once

#include "drbdd/io/buffer.h"
#include "nbd-backend/request.h"

#include <array>
#include <cstdint>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace nbd {

// Head and data are consecutive on the wire. `charge` is what the request counts against the limits
// of its connection until the last byte of its reply is with the kernel.
struct Reply {
    static constexpr std::size_t kHeadLimit = 96;

    std::array<std::uint8_t, kHeadLimit> head{};
    std::size_t head_length = 0;
    io::Slice data;
    std::size_t requests_charged = 0;
    std::size_t bytes_charged = 0;

    std::size_t length() const { return head_length + data.length; }
};

// Success without data: a simple reply, except for a READ in structured mode and with extended
// headers, where every reply is a chunk.
Reply success(const Request& request, const Session& session);
Reply read_data(const Request& request, const Session& session, const io::Slice& data);

struct Extent {
    std::uint64_t bytes = 0;
    std::uint32_t flags = 0;
};

// From the request's offset on; at least one, and without kRequestOne of any number.
using Extents = std::vector<Extent>;

// A chunk for each context that was agreed on; of the others nothing is looked at. Where the
// allocation is not known, `allocation` is empty: its chunk is one extent over the whole request,
// "allocated, not known to be zero", always a safe answer.
Reply block_status(const Request& request,
                   const Session& session,
                   const Extents& allocation,
                   const Extents& out_of_sync,
                   io::BufferPool& pool);

Reply failure(const Request& request, const Session& session, const Refusal& refusal);

// What a client is told when the device completed with `error` (0 or an errno).
Refusal refusal_for(int error);

class ReplyQueue {
public:
    struct Credit {
        std::size_t requests = 0;
        std::size_t bytes = 0;
    };

    void push(Reply reply) { replies_.push_back(std::move(reply)); }

    bool empty() const { return first_ == replies_.size(); }

    // Fills `out` from the front, starting where the last send stopped. Returns the used part,
    // valid until the next call of any member.
    std::span<iovec> gather(std::span<iovec> out);

    // Drops what was sent and returns what its requests had been charged.
    Credit sent(std::size_t bytes);

private:
    std::vector<Reply> replies_;  // those before first_ are gone
    std::size_t first_ = 0;
    std::size_t sent_of_first_ = 0;
};

}  // namespace nbd
