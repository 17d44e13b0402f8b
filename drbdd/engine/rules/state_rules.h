// Which states are legal, and what one change implies. Pure functions. Wire specification,
// section 4.4.
#pragma once

#include "drbdd/engine/rules/policies.h"
#include "drbdd/engine/rules/state.h"

#include <cstdint>

namespace engine {

// The wanted state with all that it implies (steps 1, 3, 5, 6, 8). A verify compares good data:
// DRBD makes those of a disk that is none UpToDate then; here the verify ends instead.
VolumeState sanitise(const VolumeState& wanted);

// Step 7: a change after which applications have to wait. Only the change freezes them: what an
// administrator lets go on then goes on.
VolumeState frozen_where_due(const VolumeState& old, VolumeState next, const FreezePolicy& policy);

// Whether the (sanitised) state may be: the first rule that it breaks, or Success.
StateCode check_validity(const VolumeState& state, const StatePolicy& policy);

// Whether a change on request may be made from here. `in_handshake`: P_PROTOCOL was sent and not
// every volume has left WFReportParams.
StateCode check_transition(const VolumeState& from, const VolumeState& to, bool in_handshake);

// A change on request: sanitised, valid (or no worse than before) and a legal step.
StateCode check_change(const VolumeState& from,
                       const VolumeState& to,
                       bool in_handshake,
                       const StatePolicy& policy = Fencing::DontCare);

// Whether a peer of DRBD 8.4 asks for such a change at all (4.6): its own role and disk, our data
// to be outdated, a full sync or a verify to begin, to part. Nothing else of ours is its business:
// a word that makes our disk Diskless would take the data from the applications of a Primary.
bool peer_may_ask(std::uint32_t mask, std::uint32_t value);

// A peer's P_STATE_CHG_REQ as seen from here, applied to our state (4.6).
VolumeState apply_peer_request(const VolumeState& own, std::uint32_t mask, std::uint32_t value);

// Whether we agree to that. `wanted`: what apply_peer_request() made of it, before it is sanitised.
// What the rules would take back at once (a resync or a verify without a disk, Outdated while
// connected) is refused, with the rule: to a yes the peer may hold us.
StateCode check_peer_request(const VolumeState& from,
                             const VolumeState& wanted,
                             bool in_handshake,
                             const StatePolicy& policy);

}  // namespace engine
