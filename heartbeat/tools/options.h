// What all tools have in common: where the daemon and its files are, and where the answer goes.
#pragma once

#include <CLI/App.hpp>

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace hb::tools {

struct Streams {
    std::ostream& out;
    std::ostream& err;
};

struct Places {
    std::string run_dir;  // --run-dir, else DRBDD_RUN_DIR, else /run/drbdd
    std::string node;     // --node, else __DRBD_NODE__, else `uname -n`
    // Accepted because every program of the daemon takes them, so that a script can hand the same
    // options to all: the tools ask the daemon and read no file.
    std::string ha_dir;
    std::string state_dir;
};

void add_places(CLI::App& app, Places& places);

// Reads the words that follow the program's name. A value: the exit code; --help has been answered,
// or the error been told.
std::optional<int> parse(CLI::App& app,
                         std::vector<std::string> words,
                         int usage_exit,
                         const Streams& streams);

}  // namespace hb::tools
