// Reads for a peer without usable data of its own: strictly in order, after the peer's own writes
// that came before, so that it reads what it wrote. One per connection, spanning all volumes. Wire
// specification, section 6.11.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/disk_ticket.h"
#include "proto/packets.h"

#include <cstdint>
#include <deque>
#include <map>

namespace engine {

class Connection;
class Device;

class PeerReads {
public:
    PeerReads(Core& core, Connection& connection) : core_(core), connection_(connection) {}

    // An error ends the connection: the range is none of the device's.
    base::Result<void> on_request(Device& device, const proto::BlockReq& request);

    // One of ours has ended; `error` is an errno.
    void on_disk_done(Device& device, const DiskTicket& ticket, int error);

    // Nobody waits for the answers any more.
    void on_connection_lost();

    void advance();

    // Of those that have begun.
    std::uint64_t bytes_being_read() const { return active_bytes_; }

    std::size_t waiting() const { return waiting_.size(); }

    bool none_of(const Device& device) const;

private:
    struct Read {
        Device* device;
        proto::BlockReq request;
    };

    bool must_wait(const Read& read) const;
    void begin(const Read& read);
    static void refuse(Device& device, const proto::BlockReq& request);

    Core& core_;
    Connection& connection_;
    std::deque<Read> waiting_;
    std::map<std::uint64_t, Read> active_;
    std::uint64_t next_key_ = 1;
    std::uint64_t active_bytes_ = 0;
};

}  // namespace engine
