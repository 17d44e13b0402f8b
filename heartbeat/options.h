// The command line of the failover daemon.
#pragma once

#include "heartbeat/runtime/reboot.h"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hb {

struct Options {
    std::string ha_dir = "/etc/ha.d";
    std::string run_dir = "/run/drbdd";
    std::string state_dir = "/var/lib/heartbeat";
    std::string agent_dir;
    std::string node;
    std::string reboot_command = kRebootCommand;
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
    bool check = false;
    int watchdog = -1;
    int guard = -1;
};

void add_options(CLI::App& app, Options& options);

// A daemon changes its directory.
void make_absolute(Options& options);

// A command line that says the same, for the process that takes our place.
std::vector<std::string> own_words(const Options& options);

void print_defaults();

}  // namespace hb
