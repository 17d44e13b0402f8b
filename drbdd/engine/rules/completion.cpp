#include "drbdd/engine/rules/completion.h"

namespace engine {

namespace {

bool written_at_peer(const WriteLegs& legs) {
    return legs.peer_durable || legs.peer == PeerLeg::Written || legs.peer == PeerLeg::InSync;
}

bool far_enough(ReplicationProtocol protocol, PeerLeg leg) {
    switch (protocol) {
        case ReplicationProtocol::A:
            return leg != PeerLeg::Sent;
        case ReplicationProtocol::B:
            return leg == PeerLeg::Received;
        case ReplicationProtocol::C:
            return false;
    }
    return false;
}

}  // namespace

bool may_complete(const WriteLegs& legs) {
    const bool nothing_comes = !legs.replicated || legs.peer == PeerLeg::Lost ||
                               legs.peer == PeerLeg::None || legs.peer == PeerLeg::Negative;
    if (nothing_comes) {
        return true;
    }
    // The peer has the only copy. Before it knows that, our disk would pass for the newer one if we
    // crashed and it came back.
    if (legs.own_failed && !legs.flush && !legs.peer_knows_our_disk) {
        return false;
    }
    if (written_at_peer(legs)) {
        return true;
    }
    // Without a copy of our own, the data must be on the peer's disk.
    return legs.own_copy && !legs.flush && far_enough(legs.protocol, legs.peer);
}

bool peer_has_it(const WriteLegs& legs) {
    return legs.peer_full && written_at_peer(legs);
}

}  // namespace engine
