#include "heartbeat/agents/probes.h"

#include "base/require.h"
#include "heartbeat/agents/probe_answers.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;
using boost::asio::ip::tcp;

constexpr JobId kProbeJobs = JobId{1} << 63;  // the engine counts its jobs from the other end

// The program is installed beside the one that runs this; PATH is for those who moved it.
std::vector<std::string> beside_us(std::vector<std::string> argv) {
    std::error_code error;
    const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    const std::string path = folder / argv.front();
    if (!error && std::filesystem::exists(path, error)) {
        argv.front() = path;
    }
    return argv;
}

}  // namespace

struct ProbeRunner::State : std::enable_shared_from_this<ProbeRunner::State> {
    struct Round {
        explicit Round(boost::asio::io_context& io) : deadline(io), resolver(io), socket(io) {}

        std::size_t monitor = 0;
        boost::asio::steady_timer deadline;
        tcp::resolver resolver;
        tcp::socket socket;
        Clock::time_point began;
        Callback done;
        std::vector<JobId> jobs;
        std::size_t waiting = 0;  // children or agents that have not answered
        std::string good;         // what the parts that answered said
    };

    using RoundPtr = std::shared_ptr<Round>;

    State(boost::asio::io_context& context, AgentRunner& runner, std::vector<std::string> env)
        : io(context), agents(runner), variables(std::move(env)) {}

    void finish(const RoundPtr& round, const ProbeAnswer& answer);

    void fail(const RoundPtr& round, const std::string& text) {
        finish(round, {false, false, text});
    }

    void give_up(const RoundPtr& round);
    void start(const RoundPtr& round,
               const config::HaProbe& probe,
               const std::vector<config::ResourceWord>& words,
               std::chrono::milliseconds timeout);
    void ask_agents(const RoundPtr& round, const std::vector<config::ResourceWord>& words);
    void connect(const RoundPtr& round, const config::TcpProbe& probe);
    void run_child(const RoundPtr& round,
                   const std::string& what,
                   const std::vector<std::string>& argv,
                   ProbeAnswer (*meaning)(const std::string&, const ChildResult&));
    JobId new_job(const RoundPtr& round);
    void ended(const RoundPtr& round);

    boost::asio::io_context& io;
    AgentRunner& agents;
    std::vector<std::string> variables;
    JobId last_job = kProbeJobs;
    std::map<std::size_t, RoundPtr> rounds;       // not answered yet
    std::map<std::size_t, std::size_t> children;  // per monitor, not ended yet
    bool closed = false;
};

void ProbeRunner::State::finish(const RoundPtr& round, const ProbeAnswer& answer) {
    const auto found = rounds.find(round->monitor);
    if (closed || found == rounds.end() || found->second != round) {
        return;
    }
    rounds.erase(found);
    round->deadline.cancel();
    round->resolver.cancel();
    boost::system::error_code ignored;
    round->socket.close(ignored);
    const ProbeResult result{
        answer.ok,
        answer.text,
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - round->began),
        answer.refused};
    const Callback done = std::exchange(round->done, nullptr);
    done(result);
}

void ProbeRunner::State::give_up(const RoundPtr& round) {
    for (const JobId job : round->jobs) {
        agents.children().kill(job);
    }
}

JobId ProbeRunner::State::new_job(const RoundPtr& round) {
    ++children[round->monitor];
    ++round->waiting;
    round->jobs.push_back(++last_job);
    return last_job;
}

void ProbeRunner::State::ended(const RoundPtr& round) {
    --round->waiting;
    if (const auto count = children.find(round->monitor); --count->second == 0) {
        children.erase(count);
    }
}

void ProbeRunner::State::start(const RoundPtr& round,
                               const config::HaProbe& probe,
                               const std::vector<config::ResourceWord>& words,
                               std::chrono::milliseconds timeout) {
    if (children.contains(round->monitor)) {
        boost::asio::post(io, [self = shared_from_this(), round] {
            self->fail(round, "the probe before this one is stuck and cannot be ended");
        });
    } else if (std::holds_alternative<config::AgentProbe>(probe)) {
        ask_agents(round, words);
    } else if (const auto* tcp_probe = std::get_if<config::TcpProbe>(&probe)) {
        connect(round, *tcp_probe);
    } else if (const auto* sql = std::get_if<config::SqlProbe>(&probe)) {
        run_child(round, "query", sql_ping_command(*sql, timeout), answer_of_query);
    } else if (const auto* write = std::get_if<config::WriteProbe>(&probe)) {
        run_child(round,
                  "write to " + write->directory,
                  beside_us(write_probe_command(*write)),
                  answer_of_write);
    }
}

void ProbeRunner::State::ask_agents(const RoundPtr& round,
                                    const std::vector<config::ResourceWord>& words) {
    for (const config::ResourceWord& word : words) {
        agents.run(new_job(round),
                   word,
                   Operation::Status,
                   std::chrono::milliseconds(0),
                   [self = shared_from_this(), round, word](const AgentResult& result) {
                       self->ended(round);
                       const ProbeAnswer answer =
                           answer_of_agent(word.text, result.verdict, result);
                       if (!answer.ok || round->waiting == 0) {
                           self->finish(round, answer);
                       }
                   });
    }
    if (words.empty()) {
        boost::asio::post(io, [self = shared_from_this(), round] {
            self->fail(round, "no resource of haresources is meant by this monitor");
        });
    }
}

void ProbeRunner::State::connect(const RoundPtr& round, const config::TcpProbe& probe) {
    const std::string where = probe.host + ":" + std::to_string(probe.port);
    round->resolver.async_resolve(
        probe.host,
        std::to_string(probe.port),
        tcp::resolver::numeric_service,
        [self = shared_from_this(), round, where](const boost::system::error_code& error,
                                                  const tcp::resolver::results_type& found) {
            if (error) {
                self->fail(round, where + ": " + error.message());
                return;
            }
            if (self->closed || !round->done) {
                return;
            }
            boost::asio::async_connect(
                round->socket,
                found,
                [self, round, where](const boost::system::error_code& failure,
                                     const tcp::endpoint&) {
                    self->finish(round,
                                 {!failure,
                                  false,
                                  where + (failure ? ": " + failure.message() : " accepts")});
                });
        });
}

void ProbeRunner::State::run_child(const RoundPtr& round,
                                   const std::string& what,
                                   const std::vector<std::string>& argv,
                                   ProbeAnswer (*meaning)(const std::string&, const ChildResult&)) {
    ChildCommand command;
    command.label = "probe, " + what;
    command.argv = argv;
    command.variables = variables;
    agents.children().run(
        new_job(round),
        command,
        [self = shared_from_this(), round, what, meaning](const ChildResult& result) {
            self->ended(round);
            self->finish(round, meaning(what, result));
        });
}

ProbeRunner::ProbeRunner(boost::asio::io_context& io,
                         AgentRunner& agents,
                         std::vector<std::string> variables)
    : state_(std::make_shared<State>(io, agents, std::move(variables))) {
}

ProbeRunner::~ProbeRunner() {
    state_->closed = true;
    for (const auto& [monitor, round] : state_->rounds) {
        state_->give_up(round);
        round->deadline.cancel();
        round->resolver.cancel();
        boost::system::error_code ignored;
        round->socket.close(ignored);
    }
    state_->rounds.clear();
}

void ProbeRunner::run(std::size_t monitor,
                      const config::HaProbe& probe,
                      const std::vector<config::ResourceWord>& words,
                      std::chrono::milliseconds timeout,
                      Callback done) {
    const auto round = std::make_shared<State::Round>(state_->io);
    round->monitor = monitor;
    round->began = Clock::now();
    round->done = std::move(done);
    REQUIRE(timeout.count() > 0 && state_->rounds.emplace(monitor, round).second);
    round->deadline.expires_after(timeout);
    round->deadline.async_wait(
        [state = state_, round, timeout](const boost::system::error_code& error) {
            if (!error) {
                state->give_up(round);
                state->fail(round, "no answer within " + std::to_string(timeout.count()) + " ms");
            }
        });
    state_->start(round, probe, words, timeout);
}

void ProbeRunner::cancel(std::size_t monitor) {
    const auto found = state_->rounds.find(monitor);
    if (found == state_->rounds.end()) {
        return;
    }
    const State::RoundPtr round = found->second;
    round->done = [](const ProbeResult&) {};
    state_->give_up(round);
    state_->fail(round, "");
}

std::vector<std::string> sql_ping_command(const config::SqlProbe& probe,
                                          std::chrono::milliseconds timeout) {
    const auto seconds = std::max<std::int64_t>(1, (timeout.count() + 999) / 1000);
    std::vector<std::string> out = {"mariadb",
                                    "--no-defaults",
                                    "--batch",
                                    "--skip-column-names",
                                    "--connect-timeout=" + std::to_string(seconds)};
    if (!probe.user.empty()) {
        out.push_back("--user=" + probe.user);
    }
    if (!probe.socket.empty()) {
        out.insert(out.end(), {"--protocol=socket", "--socket=" + probe.socket});
    } else {
        out.insert(
            out.end(),
            {"--protocol=tcp", "--host=" + probe.host, "--port=" + std::to_string(probe.port)});
    }
    out.emplace_back("--execute=SELECT 1");
    return out;
}

std::vector<std::string> write_probe_command(const config::WriteProbe& probe) {
    return {"hb_write_probe", probe.directory};
}

}  // namespace hb
