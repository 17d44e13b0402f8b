// Programs that the daemon runs beside agents: rc.d scripts, fencing devices, alarms, drbdadm. All
// get the same environment and have numbers of their own, above those of the engine.
#pragma once

#include "heartbeat/agents/child_runner.h"

#include <chrono>
#include <string>
#include <vector>

namespace hb {

struct Program {
    std::string label;  // begins its log lines
    std::vector<std::string> argv;
    std::vector<std::string> variables;  // NAME=value; they win over the common ones
    std::chrono::milliseconds time_limit{0};
    bool outlives_us = false;
};

class Programs {
public:
    // `children` outlives this object.
    Programs(ChildRunner& children, std::vector<std::string> variables)
        : children_(children), variables_(std::move(variables)) {}

    // Exactly one call of `done` follows, never from inside run().
    JobId run(const Program& program, ChildRunner::Callback done);

    void kill(JobId job) { children_.kill(job); }

    const std::vector<std::string>& variables() const { return variables_; }

    void set_variables(std::vector<std::string> variables) { variables_ = std::move(variables); }

private:
    static constexpr JobId kFirstJob = JobId{1} << 56;

    ChildRunner& children_;
    std::vector<std::string> variables_;
    JobId next_job_ = kFirstJob;
};

}  // namespace hb
