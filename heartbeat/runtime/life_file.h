// RUNDIR/heartbeat.life: what must be known of a daemon that ended without a word. Written at every
// message, so it is on a file system in memory; it is gone after a clean end. The next daemon goes
// on holding what this one held, as long as the partner cannot have declared us dead; and the guard
// (guard.h) knows what to stop.
#pragma once

#include "base/result.h"
#include "heartbeat/agents/process_id.h"
#include "heartbeat/engine/settings.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

// An agent at work, written down before its first instruction.
struct RunningAgent {
    ProcessId process;
    AgentOperation operation = AgentOperation::status;
    std::string resource;
    JobId job = 0;  // in this life; not in the file
};

struct Life {
    std::string boot;  // of the machine: after another boot nothing of it is true
    std::string node;
    std::uint64_t generation = 0;
    std::uint64_t sequence = 0;  // of our last message
    std::string status;          // init, up, active: as we said it last
    Hold hold = Hold::none;
    std::chrono::milliseconds deadtime{};  // announced last
    std::chrono::milliseconds until{};     // boot time: no sooner can we be declared dead
    Heard partner;                         // no name: none
    // Boot time: when the partner was last heard, and when that of our heartbeats was sent that it
    // heard last; and, if this node is isolated, by when everything must have stopped (0: it is
    // not).
    std::chrono::milliseconds heard{};
    std::chrono::milliseconds heard_us{};
    std::chrono::milliseconds stops_until{};
    std::vector<RunningAgent> agents;
    std::vector<std::string> groups;  // keys of those of which something may run, file order
    std::vector<std::string> given;   // as in Vitals
};

std::string life_text(const Life& life);
std::optional<Life> parse_life(std::string_view text);

class LifeFile {
public:
    explicit LifeFile(const std::string& run_dir);

    // An error is told once; the daemon goes on without.
    base::Result<void> write(const Life& life);
    void remove();

    static std::optional<Life> read(const std::string& run_dir);

private:
    const std::string path_;
    FileDescriptor file_;
    std::size_t size_ = 0;
    bool failed_ = false;
};

// Which of its resources a daemon that starts now goes on holding; nothing of another boot, of
// another node's name, or of a life that the partner may take for ended.
Hold inherited_hold(const std::optional<Life>& life,
                    const std::string& boot,
                    const std::string& node,
                    std::chrono::milliseconds boot_time);

// Those of its agents that live, with numbers as jobs; none of another boot.
std::vector<RunningAgent> living_agents(const std::optional<Life>& life, const std::string& boot);

// What a life that begins now must know of that one; nothing of another boot or node.
void inherit_touch(const std::optional<Life>& life,
                   const std::string& boot,
                   const std::string& node,
                   std::chrono::milliseconds boot_time,
                   Start& start);

std::string boot_id();

}  // namespace hb
