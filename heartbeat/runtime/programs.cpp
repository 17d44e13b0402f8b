#include "heartbeat/runtime/programs.h"

#include <algorithm>
#include <utility>

namespace hb {

JobId Programs::run(const Program& program, ChildRunner::Callback done) {
    ChildCommand command;
    command.label = program.label;
    command.argv = program.argv;
    command.variables = program.variables;
    for (const std::string& common : variables_) {
        const std::string name = common.substr(0, common.find('=') + 1);
        const bool own = std::any_of(
            program.variables.begin(), program.variables.end(), [&](const std::string& variable) {
                return variable.starts_with(name);
            });
        if (!own) {
            command.variables.push_back(common);
        }
    }
    command.time_limit = program.time_limit;
    command.outlives_us = program.outlives_us;
    const JobId job = next_job_++;
    children_.run(job, command, std::move(done));
    return job;
}

}  // namespace hb
