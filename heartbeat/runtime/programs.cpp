#include "heartbeat/runtime/programs.h"

#include <utility>

namespace hb {

JobId Programs::run(const Program& program, ChildRunner::Callback done) {
    ChildCommand command;
    command.label = program.label;
    command.argv = program.argv;
    command.variables = variables_;
    command.variables.insert(
        command.variables.end(), program.variables.begin(), program.variables.end());
    command.time_limit = program.time_limit;
    const JobId job = next_job_++;
    children_.run(job, command, std::move(done));
    return job;
}

}  // namespace hb
