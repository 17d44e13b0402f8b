// What an administrator has decided beforehand: who gives way after a split brain, and what the
// data are worth without the peer.
#pragma once

#include <cstdint>

namespace engine {

// Numbers are those of P_PROTOCOL (3.3).
enum class AfterSplitBrain : std::uint8_t {
    Disconnect = 0,
    DiscardYoungerPrimary = 1,
    DiscardOlderPrimary = 2,
    DiscardZeroChanges = 3,
    DiscardLeastChanges = 4,
    DiscardLocal = 5,
    DiscardRemote = 6,
    Consensus = 7,
    DiscardSecondary = 8,
    CallPriLostAfterSb = 9,
    ViolentlyAs0p = 10,
};

enum class RrConflict : std::uint8_t { Disconnect, CallPriLost, Violently };

// Numbers are those of P_PROTOCOL. A: the data have left; B: the peer has them; C: they are on its
// disk.
enum class ReplicationProtocol : std::uint8_t { A = 1, B = 2, C = 3 };

// What happens before the data are used without the peer (specification of the
// configuration, 13.2).
enum class Fencing : std::uint8_t {
    DontCare,
    ResourceOnly,
    ResourceAndStonith,  // and nothing is told to applications before it is known
};

// What happens while the link takes less than is written.
enum class OnCongestion : std::uint8_t { Block, PullAhead, Disconnect };

// Where a read goes that both nodes could answer; the stripes take turns by their place.
enum class ReadBalancing : std::uint8_t {
    PreferLocal,
    PreferRemote,
    RoundRobin,
    LeastPending,
    WhenCongestedRemote,
    Striping32K,
    Striping64K,
    Striping128K,
    Striping256K,
    Striping512K,
    Striping1M,
};

// What becomes of a Primary's requests when no good data are at hand.
enum class OnNoData : std::uint8_t { IoError, SuspendIo };

// Why applications may have to wait.
struct FreezePolicy {
    Fencing fencing = Fencing::DontCare;
    OnNoData on_no_data = OnNoData::IoError;
};

// What of the settings decides which states may be.
struct StatePolicy {
    // The fencing alone says it where nothing is verified.
    StatePolicy(Fencing with, bool verify = false) : fencing(with), can_verify(verify) {}

    Fencing fencing;
    bool can_verify;  // a verify-alg is set
};

}  // namespace engine
