// heartbeat, the failover daemon: options, assembly and signals. All else is in the rooms.
#include "base/log.h"
#include "heartbeat/runtime/configuration.h"
#include "heartbeat/runtime/daemon.h"
#include "heartbeat/runtime/detach.h"
#include "heartbeat/runtime/notify.h"
#include "heartbeat/runtime/pid_file.h"
#include "heartbeat/runtime/realtime.h"
#include "heartbeat/runtime/reboot.h"
#include "heartbeat/runtime/state_files.h"

#include <CLI/CLI.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

constexpr int kNotConfigured = 6;  // LSB
constexpr int kFailed = 1;

struct Options {
    std::string ha_dir = "/etc/ha.d";
    std::string run_dir = "/run/drbdd";
    std::string state_dir = "/var/lib/heartbeat";
    std::string agent_dir;
    std::string node;
    std::string reboot_command = hb::kRebootCommand;
    std::string restart_hold;
    int debug = 0;
    bool status = false;
    bool kill = false;
    bool reload = false;
    bool version = false;
    bool defaults = false;
    bool foreground = false;
    bool no_realtime = false;
    bool no_resources = false;
    bool restarted = false;
};

void add_options(CLI::App& app, Options& options) {
    app.add_option("--ha-dir", options.ha_dir, "directory of ha.cf, haresources and authkeys")
        ->capture_default_str();
    app.add_option("--run-dir", options.run_dir, "directory of the control socket and the pid file")
        ->envname("DRBDD_RUN_DIR")
        ->capture_default_str();
    app.add_option("--state-dir", options.state_dir, "directory of hb_generation, hb_uuid and fifo")
        ->capture_default_str();
    app.add_option("--agent-dir", options.agent_dir, "directory of the agents that come with us");
    app.add_option("--node", options.node, "name of this node, instead of nodeinfo or 'uname -n'")
        ->envname("__DRBD_NODE__");
    app.add_option("--reboot-command",
                   options.reboot_command,
                   "resets this machine when a resource cannot be stopped")
        ->capture_default_str();
    app.add_flag("-s,--status", options.status, "say whether the daemon runs");
    app.add_flag("-k,--kill", options.kill, "stop the daemon, and wait until it has ended");
    app.add_flag("-r,--reload", options.reload, "let the daemon read its configuration again");
    app.add_flag("-V,--version", options.version, "print the version");
    app.add_flag("-d,-v,--debug", options.debug, "log more; may be repeated");
    app.add_flag("-D,--defaults", options.defaults, "print the defaults of ha.cf's directives");
    app.add_flag("-f,--foreground", options.foreground, "stay in the foreground, log to stderr");
    app.add_flag(
        "-l,--no-realtime", options.no_realtime, "no real-time priority, no locked memory");
    app.add_flag("-M,--no-resources", options.no_resources, "do not manage resources");
    app.add_flag("-R", options.restarted, "used by the daemon when it replaces itself");
    app.add_option("-C", options.restart_hold, "used with -R: none, local, foreign, all");
}

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
    const auto pid = hb::running_daemon(options.run_dir);
    if (!pid) {
        std::fprintf(stderr, "heartbeat is stopped. No process\n");
        return kFailed;
    }
    if (::kill(*pid, SIGTERM) != 0) {
        std::fprintf(stderr,
                     "heartbeat: cannot stop process %d: %s\n",
                     static_cast<int>(*pid),
                     std::strerror(errno));
        return kFailed;
    }
    while (hb::running_daemon(options.run_dir) == pid) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return 0;
}

void print_defaults() {
    const config::HaCf conf;
    const auto ms = [](std::chrono::milliseconds time) { return static_cast<int>(time.count()); };
    std::printf("keepalive %dms\ndeadtime %dms\nwarntime %dms\ninitdead %dms\n",
                ms(conf.keepalive),
                ms(conf.deadtime),
                ms(conf.warntime),
                ms(conf.initdead));
    std::printf("udpport %u\nbaud %u\nhopfudge %u\nauto_failback legacy\nmsgfmt classic\n",
                conf.udpport,
                conf.baud,
                conf.hopfudge);
    std::printf("max_rexmit_delay %d\nhbgenmethod file\nuuidfrom file\nrealtime true\n",
                ms(conf.max_rexmit_delay));
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

hb::Hold hold_of(const std::string& word) {
    if (word == "local") {
        return hb::Hold::local;
    }
    if (word == "foreign") {
        return hb::Hold::foreign;
    }
    return word == "all" ? hb::Hold::all : hb::Hold::none;
}

const char* word_of(hb::Hold hold) {
    constexpr std::array<const char*, 4> kWords = {"none", "local", "foreign", "all"};
    return kWords.at(static_cast<std::size_t>(hold));
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
    start.uuid = *uuid;
    (void)!::getrandom(&start.seed, sizeof start.seed, 0);
    start.restart_hold = hold_of(options.restart_hold);
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
    return result;
}

// Keeps the pid; the claims and sockets end with the old program. The options are written anew:
// the directories that were given may have been relative ones.
[[noreturn]] void replace_ourselves(const Options& options, hb::Hold hold) {
    std::vector<std::string> words = {"heartbeat",
                                      "--ha-dir",
                                      options.ha_dir,
                                      "--run-dir",
                                      options.run_dir,
                                      "--state-dir",
                                      options.state_dir,
                                      "--reboot-command",
                                      options.reboot_command,
                                      "-R",
                                      "-C",
                                      word_of(hold)};
    const auto add_if = [&words](bool wanted, std::vector<std::string> more) {
        if (wanted) {
            words.insert(words.end(), more.begin(), more.end());
        }
    };
    add_if(!options.agent_dir.empty(), {"--agent-dir", options.agent_dir});
    add_if(!options.node.empty(), {"--node", options.node});
    add_if(options.foreground, {"-f"});
    add_if(options.no_realtime, {"-l"});
    add_if(options.no_resources, {"-M"});
    for (int i = 0; i < options.debug; ++i) {
        words.push_back("-d");
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
    const auto start = prepare_start(options, settings, log);
    if (!start) {
        parent.report(start.error().text);
        return {};
    }
    hb::Daemon daemon(
        daemon_options(options), std::move(configuration), *start, std::move(fencing), log);
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
        hb::reboot_machine(options.reboot_command);
    }
    return ending;
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
        return kNotConfigured;
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
        replace_ourselves(options, ending.hold);
    }
    return parent->failed() ? kFailed : 0;
}

void make_absolute(Options& options) {
    for (std::string* path :
         {&options.ha_dir, &options.run_dir, &options.state_dir, &options.agent_dir}) {
        if (!path->empty()) {
            *path = std::filesystem::absolute(*path).string();
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("heartbeat: moves resources to the surviving node, as Heartbeat 3.0.6 does");
    add_options(app, options);
    CLI11_PARSE(app, argc, argv);
    make_absolute(options);
    if (options.version) {
        std::puts(DRBDD_VERSION);
        return 0;
    }
    if (options.defaults) {
        print_defaults();
        return 0;
    }
    if (options.status) {
        return say_status(options);
    }
    if (options.kill) {
        return stop_daemon(options);
    }
    if (const auto pid = hb::running_daemon(options.run_dir); options.reload && pid) {
        return ::kill(*pid, SIGHUP) == 0 ? 0 : kFailed;
    }
    return run(options);
}
