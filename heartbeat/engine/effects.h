// What comes out of the engine, to be done in list order. "B after A has happened" is never
// expressed by order: the engine emits B when A's result has come back as an event.
#pragma once

#include "heartbeat/engine/events.h"

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace hb {

// To all media. Complete but for `ld` (present and empty where the runtime is to put the load
// averages) and for the signature. A retransmission comes as a Send of its own, with its old seq.
struct Send {
    wire::Message message;
};

// An echo request whose data are the message, signed and in netstring form; the echo comes back as
// Received with the ping node's name as medium. For a ping group: to each of its addresses.
struct SendPing {
    std::string node;
    wire::Message message;
};

// Answered by exactly one AgentDone, also after KillAgent, when it has ended. An AgentStuck may
// come before it. `limit` zero: none.
struct RunAgent {
    JobId job = 0;
    config::ResourceWord resource;
    AgentOperation operation = AgentOperation::status;
    Time limit{};
};

struct KillAgent {
    JobId job = 0;
};

// Reset the node by the configured device. Answered by FenceDone.
struct Fence {
    JobId job = 0;
    std::string node;
};

// Nobody waits for this reset any more: the node is back. A person need not act; a device that is
// at work ends its work, since half a reset leaves a node off.
struct CancelFence {
    JobId job = 0;
};

// The partner has been silent for half of its deadtime: the replication is to ask it whether it
// lives, so that the answer, or that there is none, is known when it would be declared dead.
struct SuspectPartner {};

// The partner is dead: let the replication drop its connection at once, so that a promotion does
// not wait for time-outs of its own. Answered by ReplicationCut.
struct CutReplication {};

// `drbdadm outdate RESOURCE` for the partner, which lost its replication link. -> OutdateDone
struct RunOutdate {
    JobId job = 0;
    std::string resource;
};

// The exit code for DRBD's fence-peer handler: 3 inconsistent, 4 outdated, 5 unreachable, 6
// primary, 20 undefined, 21 another request is pending.
struct OutdateAnswer {
    std::uint64_t id = 0;
    int exit_code = 20;
};

enum class AlarmKind : std::uint8_t {
    node_dead,
    link_down,
    last_link,   // exactly one path to the partner is left
    takeover,    // a takeover starts, is delayed, or waits for a person
    fencing,     // fencing failed, or is missing
    partition,   // a node came back that was never gone; isolation
    dual_claim,  // both nodes claim a group, or nobody does
    duplicate_address,
    resource,  // a resource failed, is in an unknown state, or was given up
    service,   // a monitored service failed
    stall,     // this node stood still
};

struct Alarm {
    AlarmKind kind = AlarmKind::node_dead;
    std::string text;
};

// Repeat gratuitous ARP and neighbour advertisements for the addresses that this node holds.
struct Announce {};

struct StartProbe {
    std::size_t monitor = 0;  // index in HaPolicy's monitors; its interval and time limit hold
};

struct StopProbe {
    std::size_t monitor = 0;
};

struct StartClient {
    std::size_t respawn = 0;  // index in HaCf's respawn lines
};

struct StopClients {};  // in reverse order; they may still report ClientExited

struct TickleWatchdog {};  // the first one opens it

struct CloseWatchdog {};  // orderly: the machine is not reset

enum class Severity : std::uint8_t { debug, info, warning, error, critical };

struct Log {
    Severity severity = Severity::info;
    std::string text;
};

// For the decision log: what was decided, and the facts it was decided on.
struct Decision {
    std::string text;
    std::string facts;  // key=value words
};

struct CommandDone {
    CommandId id = 0;
    int exit_code = 0;
    std::string text;
};

// Runs rc.d/TYPE if an executable of that name exists; the environment is HA_<field> for each
// string field and the engine's own variables. Nobody waits for it.
struct RunRcScript {
    std::string type;
    std::map<std::string, std::string> environment;
};

// Replace the process by a new incarnation with a new generation. `hold` other than none: the
// resources go on running and the new incarnation gets it as Start::restart_hold.
struct Restart {
    Hold hold = Hold::none;
};

struct Exit {};

// A resource that must not run twice cannot be stopped: reset the machine, without sync.
struct Reboot {
    std::string why;
};

using Effect = std::variant<Send,
                            SendPing,
                            RunAgent,
                            KillAgent,
                            Fence,
                            CancelFence,
                            SuspectPartner,
                            CutReplication,
                            RunOutdate,
                            OutdateAnswer,
                            Alarm,
                            Announce,
                            StartProbe,
                            StopProbe,
                            StartClient,
                            StopClients,
                            TickleWatchdog,
                            CloseWatchdog,
                            Log,
                            Decision,
                            CommandDone,
                            RunRcScript,
                            Restart,
                            Exit,
                            Reboot>;

class Effects {
public:
    template <typename T>
    void add(T effect) {
        list_.emplace_back(std::move(effect));
    }

    std::vector<Effect>& list() { return list_; }

    const std::vector<Effect>& list() const { return list_; }

    void clear() { list_.clear(); }

private:
    std::vector<Effect> list_;
};

}  // namespace hb
