// heartbeat, the failover daemon: options, assembly and signals. All else is in the rooms.
#include "base/log.h"
#include "heartbeat/engine/hold.h"
#include "heartbeat/options.h"
#include "heartbeat/runtime/boot_timer.h"
#include "heartbeat/runtime/configuration.h"
#include "heartbeat/runtime/daemon.h"
#include "heartbeat/runtime/detach.h"
#include "heartbeat/runtime/guard.h"
#include "heartbeat/runtime/heard_file.h"
#include "heartbeat/runtime/life_file.h"
#include "heartbeat/runtime/notify.h"
#include "heartbeat/runtime/pid_file.h"
#include "heartbeat/runtime/realtime.h"
#include "heartbeat/runtime/reboot.h"
#include "heartbeat/runtime/state_files.h"
#include "heartbeat/runtime/successor.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using hb::Options;

constexpr int kNotConfigured = 6;  // LSB
constexpr int kFailed = 1;

// --- Commands to a running daemon ---

int say_status(const Options& options) {
    const auto pid = hb::running_daemon(options.run_dir);
    if (!pid) {
        std::puts("heartbeat is stopped. No process");
        return kFailed;
    }
    utsname host{};
    ::uname(&host);
    const std::string node =
        options.node.empty() ? hb::own_node_name(options.ha_dir) : options.node;
    std::printf("heartbeat OK [pid %d et al] is running on %s [%s]...\n",
                static_cast<int>(*pid),
                host.nodename,
                node.c_str());
    return 0;
}

int stop_daemon(const Options& options) {
    auto daemon = hb::DaemonProcess::find(options.run_dir);
    if (!daemon) {
        std::fprintf(stderr, "%s\n", daemon.error().text.c_str());
        return kFailed;
    }
    if (const auto sent = daemon->signal(SIGTERM); !sent) {
        std::fprintf(stderr, "heartbeat: %s\n", sent.error().text.c_str());
        return kFailed;
    }
    daemon->wait_for_end();
    return 0;
}

// With -r; without a daemon that option starts one, as in the original.
std::optional<int> let_it_reload(const Options& options) {
    auto daemon = hb::DaemonProcess::find(options.run_dir);
    if (!daemon) {
        return std::nullopt;
    }
    const auto sent = daemon->signal(SIGHUP);
    if (!sent) {
        std::fprintf(stderr, "heartbeat: %s\n", sent.error().text.c_str());
    }
    return sent ? 0 : kFailed;
}

// --- The daemon ---

void print_findings(const config::HaFindings& findings) {
    for (const std::string& error : findings.errors) {
        std::fprintf(stderr, "ERROR: %s\n", error.c_str());
    }
    if (!findings.ok()) {
        std::fprintf(stderr, "ERROR: Configuration error, heartbeat not started.\n");
    }
}

// As systemd says it of the services that it starts.
bool is_standard_error_the_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");

    struct stat st {};

    return stream != nullptr && ::fstat(STDERR_FILENO, &st) == 0 &&
           std::to_string(st.st_dev) + ":" + std::to_string(st.st_ino) == stream;
}

hb::LogTargets log_targets(const Options& options, const hb::Settings& settings) {
    hb::LogTargets targets;
    targets.node = settings.node;
    targets.logfile = settings.ha_cf.logfile;
    targets.debugfile = settings.ha_cf.debugfile;
    targets.facility = hb::syslog_facility(settings.ha_cf.logfacility);
    targets.syslog_format = settings.ha_cf.syslogmsgfmt;
    // The journal has what goes to syslog, too: each line once is enough.
    targets.standard_error =
        options.foreground && !(targets.facility && is_standard_error_the_journal());
    targets.debug = options.debug + settings.ha_cf.debug;
    if (targets.logfile.empty() && targets.debugfile.empty() && !targets.facility &&
        !options.foreground) {
        targets.facility = hb::syslog_facility("daemon");
    }
    return targets;
}

std::string own_folder() {
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

base::Result<hb::Start> prepare_start(const Options& options,
                                      const hb::Settings& settings,
                                      base::LogSink& log) {
    std::error_code ignored;
    std::filesystem::create_directories(options.state_dir, ignored);
    hb::Start start;
    const auto life = hb::LifeFile::read(options.run_dir);
    const auto generation =
        hb::next_generation(options.state_dir,
                            settings.ha_cf.hbgenmethod == config::HbGenMethod::Time,
                            std::time(nullptr),
                            log);
    if (!generation) {
        return generation.error();
    }
    const bool from_name = settings.ha_cf.uuidfrom == config::UuidFrom::NodeName;
    const auto uuid =
        hb::node_uuid(options.state_dir,
                      from_name ? std::optional<std::string>(settings.node) : std::nullopt,
                      log);
    if (!uuid) {
        return uuid.error();
    }
    start.generation = *generation;
    if (life && life->node == settings.node && life->generation >= start.generation) {
        start.generation = life->generation + 1;  // it could not be written
        (void)hb::save_generation(options.state_dir, start.generation);
    }
    start.uuid = *uuid;
    (void)!::getrandom(&start.seed, sizeof start.seed, 0);
    start.restart_hold = hb::hold_of(options.restart_hold).value_or(hb::Hold::none);
    if (!options.restarted) {
        start.restart_hold =
            hb::inherited_hold(life, hb::boot_id(), settings.node, hb::boot_time());
    }
    if (start.restart_hold != hb::Hold::none && life) {
        start.given = life->given;
    }
    if (start.restart_hold != hb::Hold::none) {
        log.write(base::LogLevel::Info,
                  "Resources that run here are taken over from the daemon before this one: " +
                      std::string(hb::word_of(start.restart_hold)));
    }
    hb::inherit_touch(life, hb::boot_id(), settings.node, hb::boot_time(), start);
    const hb::Heard heard =
        hb::later_of(hb::HeardFile::load(options.state_dir), life ? life->partner : hb::Heard{});
    if (!heard.node.empty()) {
        start.heard.push_back(heard);
    }
    return start;
}

// When no new process can take our place. Not even a full disk may end this: the number that could
// not be written is in the run directory.
hb::Start next_life(const Options& options,
                    const hb::Settings& settings,
                    const hb::Start& first,
                    hb::Hold hold,
                    base::LogSink& log) {
    hb::Start start = first;
    const auto life = hb::LifeFile::read(options.run_dir);
    const auto generation =
        hb::next_generation(options.state_dir,
                            settings.ha_cf.hbgenmethod == config::HbGenMethod::Time,
                            std::time(nullptr),
                            log);
    if (!generation) {
        log.write(base::LogLevel::Alert, generation.error().text);
    }
    const std::uint64_t last = life ? life->generation : first.generation;
    start.generation = generation ? std::max(*generation, last + 1) : last + 1;
    (void)!::getrandom(&start.seed, sizeof start.seed, 0);
    start.restart_hold = hold;
    start.heard.clear();
    start.agents.clear();  // the daemon knows its own
    start.silence = start.unheard = {};
    start.stops_left.reset();
    if (life && !life->partner.node.empty()) {
        start.heard.push_back(life->partner);
    }
    return start;
}

hb::DaemonOptions daemon_options(const Options& options) {
    hb::DaemonOptions result;
    result.ha_dir = options.ha_dir;
    result.run_dir = options.run_dir;
    result.state_dir = options.state_dir;
    result.node = options.node;
    result.tool_dir = own_folder();
    result.agent_dir = options.agent_dir.empty() ? hb::own_agent_dir() : options.agent_dir;
    result.version = DRBDD_VERSION;
    result.manage_resources = !options.no_resources;
    result.watchdog = options.watchdog;
    return result;
}

// Keeps the pid; the claims and sockets end with the old program.
[[noreturn]] void replace_ourselves(const Options& options,
                                    const hb::Daemon::Ending& ending,
                                    hb::Guard& guard) {
    std::vector<std::string> words = hb::own_words(options);
    words.insert(words.end(), {"-R", "-C", std::string(hb::word_of(ending.hold))});
    if (ending.watchdog >= 0) {
        ::fcntl(ending.watchdog, F_SETFD, 0);
        words.insert(words.end(), {"-W", std::to_string(ending.watchdog)});
    }
    if (const int pipe = guard.keep_over_exec(); pipe >= 0) {
        words.insert(words.end(), {"-G", std::to_string(pipe)});
    }
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(kFailed);
}

// Until the daemon ends. `parent` hears once why it could not be started, or nothing: it was.
hb::Daemon::Ending run_daemon(const Options& options,
                              hb::Configuration configuration,
                              std::optional<hb::FencingDevice> fencing,
                              hb::LogWriter& log,
                              hb::Detached& parent) {
    const hb::Settings settings = configuration.settings;
    const auto claim = hb::claim_run_directory(options.run_dir);
    if (!claim) {
        parent.report(claim.error().text);
        return {};
    }
    auto start = prepare_start(options, settings, log);
    if (!start) {
        parent.report(start.error().text);
        return {};
    }
    hb::DaemonOptions daemon_settings = daemon_options(options);
    daemon_settings.earlier_agents =
        hb::living_agents(hb::LifeFile::read(options.run_dir), hb::boot_id());
    for (const hb::RunningAgent& agent : daemon_settings.earlier_agents) {
        start->agents.push_back({agent.job, agent.resource, agent.operation});
    }
    daemon_settings.try_successor = [words = hb::own_words(options)] {
        std::vector<std::string> check = words;
        check.emplace_back("--check");
        return hb::try_successor(check);
    };
    daemon_settings.new_life = [&options, settings, first = *start, &log](hb::Hold hold) {
        return next_life(options, settings, first, hold, log);
    };
    hb::Daemon daemon(
        std::move(daemon_settings), std::move(configuration), *start, std::move(fencing), log);
    if (auto good = daemon.start(); !good) {
        parent.report(good.error().text);
        return {};
    }
    if (settings.ha_cf.realtime && !options.no_realtime) {
        hb::make_realtime(settings.ha_cf.rtprio, log);
    }
    parent.report("");
    hb::notify_systemd("READY=1");
    log.write(base::LogLevel::Info,
              "Configuration validated. Starting heartbeat " DRBDD_VERSION " on " + settings.node);
    auto ending = daemon.run();
    hb::notify_systemd("STOPPING=1");
    if (ending.kind == hb::Daemon::Ending::Kind::Reboot) {
        // Not one more moment, not even for the log: what must not run twice is running.
        hb::reset_machine(hb::reset_means(options.reboot_command));
        log.write(base::LogLevel::Alert,
                  "This machine cannot be reset, neither by '" + options.reboot_command +
                      "' nor by the kernel: SWITCH IT OFF. " + ending.why);
    }
    return ending;
}

hb::Guard guard_of(const Options& options,
                   const hb::LogTargets& targets,
                   const hb::Configuration& configuration) {
    if (options.guard >= 0) {
        return hb::Guard::inherited(options.guard);
    }
    if (options.no_resources) {
        return {};
    }
    return hb::Guard::start(
        {daemon_options(options), targets, configuration, hb::reset_means(options.reboot_command)});
}

// What a daemon writes before it serves.
int check_directories(const Options& options) {
    std::error_code ignored;
    std::filesystem::create_directories(options.state_dir, ignored);
    const std::string trial = options.state_dir + "/trial";
    const auto written = hb::replace_file(trial, "\n", 0600);
    ::unlink(trial.c_str());
    if (!written) {
        std::fprintf(stderr, "ERROR: %s\n", written.error().text.c_str());
        return kFailed;
    }
    return 0;
}

int run(const Options& options) {
    auto loaded = hb::load_configuration(options.ha_dir, options.node);
    const hb::Settings& settings = loaded.value.settings;
    auto fencing = hb::fencing_device(settings.ha_cf, settings.policy, settings.node);
    if (!fencing) {
        loaded.findings.errors.push_back(fencing.error().text);
    }
    print_findings(loaded.findings);
    if (!loaded.findings.ok()) {
        // Resources are running: whoever supervises us must start us again.
        return options.restarted ? kFailed : kNotConfigured;
    }
    if (options.check) {
        return check_directories(options);
    }
    const hb::LogTargets targets = log_targets(options, settings);
    auto parent = hb::Detached::start(!options.foreground && !options.restarted);
    if (!parent) {
        std::fprintf(stderr, "heartbeat: %s\n", parent.error().text.c_str());
        return kFailed;
    }
    for (const int signal : {SIGINT, SIGPIPE}) {
        ::signal(signal, SIG_IGN);
    }
    ::signal(SIGCHLD, SIG_DFL);  // else the kernel forgets how our children ended
    hb::Guard guard = guard_of(options, targets, loaded.value);
    hb::Daemon::Ending ending;
    {
        hb::LogWriter log(targets);
        for (const std::string& warning : loaded.findings.warnings) {
            log.write(base::LogLevel::Warning, warning);
        }
        ending = run_daemon(options, std::move(loaded.value), std::move(*fencing), log, *parent);
        log.write(base::LogLevel::Info,
                  ending.kind == hb::Daemon::Ending::Kind::Restart
                      ? "Restarting heartbeat."
                      : "Heartbeat shutdown complete.");
    }
    if (ending.kind == hb::Daemon::Ending::Kind::Restart) {
        replace_ourselves(options, ending, guard);
    }
    if (ending.kind == hb::Daemon::Ending::Kind::Reboot) {
        return kFailed;  // not dismissed: the guard tries what is left
    }
    // A new process that could not take over leaves resources that nobody watches.
    if (!(parent->failed() && options.restarted)) {
        guard.dismiss();
    }
    return parent->failed() ? kFailed : 0;
}

}  // namespace

int main(int argc, char** argv) {
    ::prctl(PR_SET_NAME, "heartbeat");  // also when started through /proc/self/exe
    hb::keep_stacks_small();
    Options options;
    CLI::App app("heartbeat: moves resources to the surviving node, as Heartbeat 3.0.6 does");
    hb::add_options(app, options);
    CLI11_PARSE(app, argc, argv);
    hb::make_absolute(options);
    if (options.version) {
        std::puts(DRBDD_VERSION);
        return 0;
    }
    if (options.defaults) {
        hb::print_defaults();
        return 0;
    }
    if (options.status) {
        return say_status(options);
    }
    if (options.kill) {
        return stop_daemon(options);
    }
    if (options.reload) {
        if (const auto done = let_it_reload(options)) {
            return *done;
        }
    }
    return run(options);
}
