// When a write is acknowledged to the application: from the protocol and what is known of each
// copy. A pure table. Wire specification, sections 6.1 to 6.3; design note 0001, rules 4 and 5.
#pragma once

#include "drbdd/engine/rules/policies.h"

#include <cstdint>

namespace engine {

// The copy at the peer, by what it has told.
enum class PeerLeg : std::uint8_t {
    None,      // not sent, or let go
    Sent,      // given to the socket
    Left,      // the operating system has it
    Received,  // RecvAck, or covered by a barrier ack
    Written,   // WriteAck
    InSync,    // RsWriteAck: part of a resync, both copies are equal now
    Negative,  // the peer could not store it
    Lost,      // the connection has ended before an answer
};

struct WriteLegs {
    ReplicationProtocol protocol = ReplicationProtocol::C;  // that it was sent under
    bool flush = false;
    bool own_copy = false;    // ours is there, on a disk that is a member
    bool own_failed = false;  // ours was begun, and the disk has failed under it
    // What has become of our disk, and in which generation we write without it.
    bool peer_knows_our_disk = true;
    bool replicated = false;
    PeerLeg peer = PeerLeg::None;
    bool peer_durable = false;  // on stable storage there
    bool peer_full = false;     // the peer's copy is a full one: what it has can be read
};

// Nothing that the peer might still say is waited for.
bool may_complete(const WriteLegs& legs);

// The peer has it, in a copy that counts.
bool peer_has_it(const WriteLegs& legs);

// What the application hears when it is completed: else it is an I/O error.
inline bool has_good_copy(const WriteLegs& legs) {
    return legs.own_copy || peer_has_it(legs);
}

}  // namespace engine
