// The application's reads: from our disk where its copy is good, else from the peer, which need not
// order them after our writes; with read-balancing also where both are. Wire specification,
// sections 6.10 and 6.11.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/requests/completions.h"
#include "drbdd/engine/requests/read_balance.h"
#include "drbdd/engine/volume/disk_ticket.h"
#include "drbdd/engine/volume/ranges.h"
#include "proto/packets.h"

#include <cstdint>
#include <deque>
#include <map>

namespace engine {

class Device;

class Reads {
public:
    // Ranges of the application's writes: `writes` are under way, `unwritten` are completed or not,
    // and not known to be where a read of the peer finds them.
    Reads(Core& core,
          Device& device,
          Completions& completions,
          const Ranges<std::uint64_t>& writes,
          const Ranges<std::uint64_t>& unwritten)
        : core_(core),
          device_(device),
          completions_(completions),
          writes_(writes),
          unwritten_(unwritten) {}

    void submit(std::uint64_t key, AppRequest request);
    void on_disk_done(const DiskTicket& ticket, int error);

    // An error means a violation of the protocol.
    base::Result<void> on_reply(const proto::Data& data, io::Slice payload);
    base::Result<void> on_refused(const proto::BlockAck& packet);

    // What was asked of the peer goes elsewhere.
    void on_peer_gone();

    void advance();

    std::size_t pending() const { return reads_.size(); }

private:
    struct Read {
        AppRequest app;
        bool sent = false;       // to the peer
        bool from_here = false;  // the peer has refused it
    };

    void start(std::uint64_t key);
    void ask_peer(std::uint64_t key, Read& read);
    bool served_locally(const AppRequest& app) const;
    bool goes_to_peer(const Read& read);
    void set_sent(Read& read, bool sent);
    void finish(std::uint64_t key, int error, io::Slice data);

    Core& core_;
    Device& device_;
    Completions& completions_;
    const Ranges<std::uint64_t>& writes_;
    const Ranges<std::uint64_t>& unwritten_;
    ReadBalance balance_;
    std::size_t sent_ = 0;
    std::map<std::uint64_t, Read> reads_;
    // For an overlapping write, a disk that is being attached, or the end of a suspension.
    std::deque<std::uint64_t> waiting_;
};

}  // namespace engine
