// Applications that wait although nobody has asked for it. A Primary that has lost its peer does
// not know what that does: while they wait nothing is told to them, so both copies are still of one
// generation; the one that begins without the peer is put off until it is known that this is so. Or
// no good data are at hand: what was asked for is asked for again when they are.
// Wire specification, sections 4.4, 5.1 and 15.2.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/rules/state.h"

namespace engine {

class Device;

class Freezer {
public:
    Freezer(Core& core, Device& device) : core_(core), device_(device) {}

    // Our data are about to go their own way. True: they don't yet, applications wait.
    bool defers_generation();

    bool owes_generation() const { return owes_generation_; }

    // Something that was written or told may be on our disk alone.
    bool in_doubt() const;

    // The peer may not have what was told to applications before the contact was lost.
    void note_unsafe_write() { unsafe_write_ = true; }

    bool lacks_safe_copy() const { return owes_generation_ && unsafe_write_; }

    // Before the peer hears of us: it would not understand that we have put it off.
    void begin_owed_generation();

    // What has failed is no answer: it is made again when there are data.
    bool makes_again() const;

    void after_change(const VolumeState& old);
    void advance();

private:
    bool verdict_is_in() const;
    bool peer_goes_with_us() const;

    Core& core_;
    Device& device_;
    bool owes_generation_ = false;
    bool unsafe_write_ = false;
};

}  // namespace engine
