// What a peer's P_STATE means for us: who has the newer data, and the state that follows. A pure
// function of what both nodes say; whoever asks carries it out. Wire specification, sections 4.5
// (steps 5 to 9) and 5.
#pragma once

#include "base/result.h"
#include "drbdd/engine/rules/generation_ids.h"
#include "drbdd/engine/rules/policies.h"
#include "drbdd/engine/rules/state.h"

#include <cstdint>
#include <optional>
#include <string>

namespace engine {

// This node, before it has heard the peer's state.
struct OwnSide {
    VolumeState state;
    SyncSide data;
    bool ids_awaited = false;      // of the peer: those that we have are older than its state
    bool consider_resync = false;  // it was forced to be Primary, and its data count from now on

    // Of a Primary without a disk: the generation that its applications have seen (0: none), and
    // whether the peer has another one or lacks a part of it.
    std::uint64_t exposed_uuid = 0;
    bool peer_has_other_data = false;
    bool peer_lacks_writes = false;
};

// The peer, as it describes itself.
struct ToldSide {
    VolumeState state;
    DiskState disk = DiskState::Diskless;  // `state.disk` after steps 1 to 4
    std::optional<SyncSide> data;          // nothing: it has told no identifiers
};

struct Verdict {
    // How the data compare, where that was to be decided. It comes first, also before `refused`:
    // its lines and handlers are for people.
    std::optional<SyncDecision> decision;

    // The peer waits for our identifiers as they are now, before any correction of them.
    bool tell_ids_first = false;
    // It is to hear our state at once: it gives its attach up.
    bool tell_state_first = false;
    // The data that we attach do not fit; nothing else happens.
    bool attach_aborted = false;

    // Ends the connection: State means StandAlone until a person comes, Busy that it is tried
    // again.
    std::optional<base::Error> refused;

    std::string warning;  // for the log; empty: none
    VolumeState next;     // sanitised

    enum class Answer : std::uint8_t { None, State, IdsAndState };
    Answer answer = Answer::None;  // once `next` has been stored
};

Verdict judge(const OwnSide& own, const ToldSide& told, const SyncPolicy& policy, Fencing fencing);

}  // namespace engine
