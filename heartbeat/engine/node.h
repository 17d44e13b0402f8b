// What is known of a member of the cluster, or of a ping node. Heartbeat specification, 2.7, 3.3.
#pragma once

#include "heartbeat/engine/timer.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

enum class NodeState : std::uint8_t { init, up, active, dead, ping };

std::string_view name_of(NodeState state);

struct Link {
    std::string name;
    bool up = false;
    Time last{};                 // when something new came over it
    std::uint64_t sequence = 0;  // the highest number that has come over it in the node's life
};

// Where we are in the sequence of messages of a node's present generation.
struct Sequence {
    std::optional<std::uint64_t> last;      // none: the next message is taken as it comes
    std::uint64_t status = 0;               // of the last status message
    std::uint64_t current = 0;              // of the message that is being delivered
    std::uint64_t report = 0;               // of the last that told what the node holds
    std::uint64_t floor = 0;                // nothing up to here is taken any more
    std::map<std::uint64_t, Time> missing;  // number -> when to ask for it (again)
};

// Heartbeats with a generation that is less than one we know: replays, or a node that has lost its
// state directory and counts from the beginning.
struct EarlierLife {
    std::uint64_t generation = 0;
    std::uint64_t seq = 0;
    unsigned growing = 0;  // heartbeats in a row whose numbers only grow
};

struct Node {
    std::string name;
    bool ping = false;
    bool ping_group = false;
    NodeState state = NodeState::init;
    bool heard = false;  // since our start
    Time last_status{};  // our start if it was never heard
    Time deadtime{};     // what it announced, for a ping node deadping
    bool late_told = false;
    bool suspected = false;  // in this silence
    std::vector<Link> links;
    std::string uuid;  // 16 bytes, or empty
    std::uint64_t generation = 0;
    std::uint64_t last_ts = 0;
    Sequence sequence;
    std::uint64_t acked = 0;  // the highest of our numbers that it has acknowledged
    EarlierLife earlier;
    Time answered_sent{-1};  // ping node: when the echo request was sent that it answered last
    // A daemon of our kind: it says in each heartbeat which of ours it heard last.
    bool ours = false;
    Time heard_us{};  // when that heartbeat of ours was sent, or the node's life began for us

    // Its life was known before our start, so what seems to come from it may be a recording; until
    // it has named one of our heartbeats of this life, which nobody can have recorded.
    bool inherited = false;
    bool proven = false;

    // What it says that it holds, gives or has left is true now. The original proves nothing.
    bool believed() const { return !inherited || proven || (heard && !ours); }

    bool alive() const { return heard && state != NodeState::dead; }
};

}  // namespace hb
