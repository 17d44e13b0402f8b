// What goes into the engine. Each event carries the monotonic time at which it happened; the wall
// clock is only written into messages (field ts) and never compared with anything.
#pragma once

#include "heartbeat/engine/settings.h"
#include "heartbeat/wire/message.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace hb {

using Time = std::chrono::milliseconds;  // since an arbitrary origin, never going back

using CommandId = std::uint64_t;  // chosen by the runtime, returned in CommandDone

// The first event: media are open, the engine may send.
struct Started {};

// Nothing happened but time. Wanted at Engine::next_wakeup() at the latest.
struct Tick {};

// An authenticated message. `medium` is the name of the link: the interface ("eth1"), the serial
// device, the disk, or for the echo of a ping the name of the ping node. Copies that arrive over
// several media are each handed in.
struct Received {
    std::string medium;
    wire::Message message;
};

struct MediumDown {
    std::string medium;
    std::string why;
};

struct MediumUp {
    std::string medium;
};

// A message from the local FIFO: only its own fields; the engine adds src, seq and so on.
struct LocalMessage {
    wire::Message message;
};

enum class AgentEnd : std::uint8_t {
    exited,     // by itself, `exit_code` is valid
    timed_out,  // the limit of RunAgent passed; it has been killed and is gone
    killed,     // by a signal, or by KillAgent
    missing,    // there is no such agent, or it cannot be executed
};

struct AgentDone {
    JobId job = 0;
    AgentEnd end = AgentEnd::exited;
    int exit_code = 0;
    std::string output;     // stdout; the start is enough (a few KiB)
    std::string text = {};  // for a person: how it ended and what it complained about, if known
};

// It has been killed, since its limit has passed or by KillAgent, and goes on: it is stuck in the
// kernel. Its AgentDone comes when it ends, if ever.
struct AgentStuck {
    JobId job = 0;
};

// The result of Fence. `ok` means: the device confirmed that the node is off.
struct FenceDone {
    JobId job = 0;
    std::string node;
    bool ok = false;
    std::string text;
};

// One round of the probe of the monitor with this index in HaPolicy.
struct ProbeDone {
    std::size_t monitor = 0;
    bool ok = false;
    std::string text;
};

// Another machine answers for an address that a group of ours holds.
struct AddressConflict {
    std::string ip;
    std::string mac;
};

// Answered by CommandDone. That of a standby, a takeover or a confirmation comes when the resources
// run where they are wanted, or it is known that they do not; a refusal comes at once.
struct Command {
    enum class Verb : std::uint8_t {
        standby,           // arg: all, local, foreign, failback; empty is all
        takeover,          // same arg. Confirms a takeover that waits for a person
        confirm_takeover,  // arg: the dead node, or empty
        await_takeover,    // the one that is pending; confirms nothing
        clear,             // arg: a group key or empty: forget failures and blocks, try again
        restart,           // replace the daemon and keep the resources running
        shutdown,
    };

    CommandId id = 0;
    Verb verb = Verb::standby;
    std::string arg;
};

// A respawned program ended. A signal is 128 + its number.
struct ClientExited {
    std::size_t respawn = 0;  // index in HaCf's respawn lines
    int code = 0;
};

// The result of CutReplication: the storage has dropped its connection to the dead partner.
struct ReplicationCut {
    bool ok = false;
    std::string text;
};

// The replication of this machine wants the partner's copy outdated (DRBD's fence-peer handler).
// Answered by OutdateAnswer with the same id.
struct OutdateRequest {
    std::uint64_t id = 0;
    std::string resource;
    std::string peer;  // host name, or empty for the only other node
};

// The result of RunOutdate: the exit code of `drbdadm outdate RESOURCE`.
struct OutdateDone {
    JobId job = 0;
    int exit_code = 0;
};

// haresources or the policy file were read anew; ha.cf is not replaced in flight.
struct SettingsChanged {
    config::Haresources resources;
    config::HaPolicy policy;
};

struct Event {
    using What = std::variant<Started,
                              Tick,
                              Received,
                              MediumDown,
                              MediumUp,
                              LocalMessage,
                              AgentDone,
                              AgentStuck,
                              FenceDone,
                              ProbeDone,
                              AddressConflict,
                              Command,
                              ClientExited,
                              ReplicationCut,
                              OutdateRequest,
                              OutdateDone,
                              SettingsChanged>;

    Time now{};
    std::int64_t wall_seconds = 0;
    What what;
};

}  // namespace hb
