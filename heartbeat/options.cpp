#include "heartbeat/options.h"

#include "config/ha/ha_cf.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>

namespace hb {

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
                   "resets this machine when a resource cannot be stopped; the kernel does it if "
                   "this fails")
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
    app.add_option("-W", options.watchdog, "used with -R: the watchdog, open");
    app.add_option("-G", options.guard, "used with -R: the pipe of the guard");
    app.add_flag("--check", options.check, "say whether a daemon would start, and start none");
}

void make_absolute(Options& options) {
    for (std::string* path :
         {&options.ha_dir, &options.run_dir, &options.state_dir, &options.agent_dir}) {
        if (!path->empty()) {
            *path = std::filesystem::absolute(*path).string();
        }
    }
}

std::vector<std::string> own_words(const Options& options) {
    std::vector<std::string> words = {"heartbeat",
                                      "--ha-dir",
                                      options.ha_dir,
                                      "--run-dir",
                                      options.run_dir,
                                      "--state-dir",
                                      options.state_dir,
                                      "--reboot-command",
                                      options.reboot_command};
    const auto add_if = [&words](bool wanted, const std::vector<std::string>& more) {
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
    return words;
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

}  // namespace hb
