#include "heartbeat/agents/agent_runner.h"

#include <boost/asio/post.hpp>

#include <utility>

namespace hb {

namespace {

std::string label_of(const config::ResourceWord& word, Operation operation) {
    return word.text + " " + name_of(operation);
}

}  // namespace

AgentRunner::AgentRunner(boost::asio::io_context& io,
                         AgentPaths paths,
                         std::vector<std::string> variables,
                         base::LogSink& log)
    : io_(io),
      paths_(std::move(paths)),
      variables_(std::move(variables)),
      log_(log),
      children_(io, log) {
}

void AgentRunner::run(JobId job,
                      const config::ResourceWord& word,
                      Operation operation,
                      std::chrono::milliseconds time_limit,
                      Callback done,
                      AgentWatch watch) {
    const base::Result<AgentCall> call = find_agent(word, operation, paths_);
    if (!call) {
        AgentResult result;
        result.missing = true;
        result.text = call.error().text;
        boost::asio::post(io_, [done = std::move(done), result] { done(result); });
        return;
    }
    ChildCommand command;
    command.label = label_of(word, operation);
    command.argv = call->argv;
    command.variables = variables_;
    command.variables.insert(
        command.variables.end(), call->variables.begin(), call->variables.end());
    command.time_limit = time_limit;
    command.born = std::move(watch.born);
    command.stuck = std::move(watch.stuck);
    children_.run(
        job,
        command,
        [&log = log_, done = std::move(done), kind = call->kind, operation, label = command.label](
            const ChildResult& child) {
            AgentResult result;
            static_cast<ChildResult&>(result) = child;
            result.kind = kind;
            if (operation == Operation::Status) {
                result.verdict = verdict_of(kind, child);
            }
            log.write(
                base::LogLevel::Debug,
                label + ": " + child.text + ", " + std::to_string(child.took.count()) + " ms");
            done(result);
        });
}

void AgentRunner::kill(JobId job) {
    children_.kill(job);
}

void AgentRunner::set_variables(std::vector<std::string> variables) {
    variables_ = std::move(variables);
}

}  // namespace hb
