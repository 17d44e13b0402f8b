// What the answer of a probe's child means. What it prints may be anything: a server of somebody
// else's, a script, a program that was killed half way. Pure.
#pragma once

#include "heartbeat/agents/child_runner.h"
#include "heartbeat/agents/verdict.h"

#include <string>

namespace hb {

struct ProbeAnswer {
    bool ok = false;
    bool refused = false;  // ok, but the server would not talk to the probe's user
    std::string text;      // for a person, whatever the child printed
};

// The client's, to one query: the server has to have answered it, or to have refused to.
ProbeAnswer answer_of_query(const std::string& what, const ChildResult& result);

// hb_write_probe's.
ProbeAnswer answer_of_write(const std::string& what, const ChildResult& result);

// An agent's `status`.
ProbeAnswer answer_of_agent(const std::string& word, Verdict verdict, const ChildResult& result);

}  // namespace hb
