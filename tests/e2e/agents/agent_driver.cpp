// Drives the room heartbeat/agents from a script: runs an agent as the daemon does, a probe, or the
// guard of the service addresses, and prints what came of it, one JSON object per line. The agent's
// log goes to standard error.
#include "heartbeat/agents/address_guard.h"
#include "heartbeat/agents/environment.h"
#include "heartbeat/agents/probes.h"

#include <CLI/CLI.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include <iostream>

namespace {

using std::chrono::milliseconds;

class StderrLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { std::cerr << line << '\n'; }
};

struct Options {
    hb::AgentPaths paths;
    std::string tool_dir;
    std::string word;
    std::string operation;
    unsigned limit_ms = 0;
    unsigned kill_after_ms = 0;
    std::string kind;
    std::string target;
    unsigned rounds = 1;
    unsigned pause_ms = 0;
    unsigned announce_after_ms = 0;
};

std::vector<config::ResourceWord> words_of(const std::string& words) {
    const auto parsed = config::parse_haresources("command line", "node " + words + "\n");
    return parsed.value.groups.empty() ? std::vector<config::ResourceWord>()
                                       : parsed.value.groups.front().words;
}

void print(const nlohmann::json& line) {
    std::cout << line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) << std::endl;
}

class Driver {
public:
    explicit Driver(Options options)
        : options_(std::move(options)), agents_(io_, options_.paths, variables(), log_) {}

    int run_agent() {
        const std::map<std::string, hb::Operation> operations = {{"start", hb::Operation::Start},
                                                                 {"stop", hb::Operation::Stop},
                                                                 {"status", hb::Operation::Status}};
        boost::asio::steady_timer timer(io_);
        agents_.run(1,
                    words_of(options_.word).at(0),
                    operations.at(options_.operation),
                    milliseconds(options_.limit_ms),
                    [&](const hb::AgentResult& result) {
                        timer.cancel();
                        print_result(result);
                        io_.stop();  // what the agent left in the background is not waited for
                    });
        if (options_.kill_after_ms > 0) {
            timer.expires_after(milliseconds(options_.kill_after_ms));
            timer.async_wait([&](const auto& error) {
                if (!error) {
                    agents_.kill(1);
                }
            });
        }
        io_.run();
        return 0;
    }

    int probe() {
        hb::ProbeRunner probes(io_, agents_, variables());
        boost::asio::steady_timer pause(io_);
        unsigned left = options_.rounds;
        std::function<void()> next = [&] {
            probes.run(
                0,
                what_to_probe(),
                words_of(options_.target),
                milliseconds(options_.limit_ms),
                [&](const hb::ProbeResult& result) {
                    print(
                        {{"ok", result.ok}, {"text", result.text}, {"took", result.took.count()}});
                    if (--left == 0) {
                        io_.stop();
                        return;
                    }
                    pause.expires_after(milliseconds(options_.pause_ms));
                    pause.async_wait([&](const auto&) { next(); });
                });
        };
        next();
        io_.run();
        return 0;
    }

    int guard() {
        hb::AddressGuard guard(
            io_,
            log_,
            [](const std::string& ip, const std::string& mac) {
                print({{"conflict", ip}, {"mac", mac}});
            },
            {milliseconds(100), milliseconds(500), milliseconds(1000), {4, milliseconds(20)}});
        config::Haresources resources;
        resources.groups.push_back({"node", words_of(options_.word), 1});
        guard.watch(hb::service_addresses(resources));
        print({{"held", guard.held()}});
        boost::asio::steady_timer announce(io_, milliseconds(options_.announce_after_ms));
        if (options_.announce_after_ms > 0) {
            announce.async_wait([&](const auto&) { guard.announce(); });
        }
        boost::asio::steady_timer end(io_, milliseconds(options_.limit_ms));
        end.async_wait([&](const auto&) {
            print({{"held", guard.held()}});
            io_.stop();
        });
        io_.run();
        return 0;
    }

private:
    std::vector<std::string> variables() const {
        hb::AgentEnvironment values;
        values.ha_dir = options_.paths.ha_dir;
        values.node = "node";
        values.own_status = "active";
        values.tool_dir = options_.tool_dir;
        values.inherited = hb::inherited_variables({"DRBDD_RUN_DIR"});
        return hb::agent_environment(values);
    }

    config::HaProbe what_to_probe() const {
        const std::size_t colon = options_.target.rfind(':');
        if (options_.kind == "agent") {
            return config::AgentProbe{};
        }
        if (options_.kind == "tcp") {
            return config::TcpProbe{
                options_.target.substr(0, colon),
                static_cast<std::uint16_t>(std::stoi(options_.target.substr(colon + 1)))};
        }
        if (options_.kind == "sql") {
            return config::SqlProbe{options_.target, "", 3306, "root"};
        }
        return config::WriteProbe{options_.target};
    }

    static void print_result(const hb::AgentResult& result) {
        const std::map<hb::Verdict, const char*> verdicts = {{hb::Verdict::Running, "running"},
                                                             {hb::Verdict::Stopped, "stopped"},
                                                             {hb::Verdict::Unknown, "unknown"}};
        print({{"exit", result.exit},
               {"signal", result.signal},
               {"timed_out", result.timed_out},
               {"killed", result.killed},
               {"missing", result.missing},
               {"output", result.output},
               {"text", result.text},
               {"took", result.took.count()},
               {"kind", hb::name_of(result.kind)},
               {"verdict", verdicts.at(result.verdict)}});
    }

    Options options_;
    StderrLog log_;
    boost::asio::io_context io_;
    hb::AgentRunner agents_;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Runs one agent, probe or guard of the failover daemon");
    app.add_option("--ha-dir", options.paths.ha_dir);
    app.add_option("--own-dir", options.paths.own_dir);
    app.add_option("--init-dir", options.paths.init_dir);
    app.add_option("--ocf-root", options.paths.ocf_root);
    app.add_option("--tool-dir", options.tool_dir, "in front of the agents' PATH");
    app.add_option("--limit", options.limit_ms, "milliseconds");
    app.require_subcommand(1);
    CLI::App* run = app.add_subcommand("run");
    run->add_option("word", options.word)->required();
    run->add_option("operation", options.operation)->required();
    run->add_option("--kill-after", options.kill_after_ms);
    CLI::App* probe = app.add_subcommand("probe");
    probe->add_option("kind", options.kind)->required();
    probe->add_option("target", options.target)->required();
    probe->add_option("--rounds", options.rounds);
    probe->add_option("--pause", options.pause_ms);
    CLI::App* guard = app.add_subcommand("guard");
    guard->add_option("words", options.word)->required();
    guard->add_option("--announce-after", options.announce_after_ms);
    CLI11_PARSE(app, argc, argv);
    Driver driver(options);
    return run->parsed() ? driver.run_agent() : probe->parsed() ? driver.probe() : driver.guard();
}
