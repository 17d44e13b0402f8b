// What the answer of an agent's `status` means. Heartbeat specification, 1.4.
#pragma once

#include "heartbeat/agents/agent_lookup.h"
#include "heartbeat/agents/child_runner.h"

#include <string_view>

namespace hb {

// Unknown: the agent hung, died or contradicted itself. Before a start it counts as stopped (start
// is asked for and decides), after a failed stop as running (nothing may be assumed gone).
enum class Verdict { Running, Stopped, Unknown };

// The original's rule for legacy scripts: standard output alone counts, the exit code does not.
Verdict verdict_of_text(std::string_view output);

// Legacy: by text. LSB: exit 0 running, 1 to 3 stopped, else by text. systemd: the word of
// is-active. OCF: exit 0 and 8 running, 7 stopped.
Verdict verdict_of(AgentKind kind, const ChildResult& status);

}  // namespace hb
