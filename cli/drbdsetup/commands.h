// The commands of drbdsetup, each with the options that it takes.
#pragma once

#include "cli/common/client.h"
#include "config/settings.h"

#include <string>
#include <string_view>
#include <vector>

namespace drbdsetup {

struct Arguments {
    std::string command;
    std::vector<std::string> operands;
    std::string run_dir;
    bool verbose = false;
    bool statistics = false;
    bool json = false;
    bool now = false;
    bool timestamps = false;
    bool force = false;
    config::StartupSettings timeouts;
};

struct CommandSpec {
    std::string_view name;
    std::string_view options;  // letters of the options that it takes
    std::string_view operand;  // "RES", "[RES]", "MINOR": for the usage text
    int (*run)(const Arguments& arguments, cli::Client& client);
};

const CommandSpec* find_command(std::string_view name);
std::vector<CommandSpec> all_commands();

// A command of the original that this version does not have.
bool is_unsupported_command(std::string_view name);

}  // namespace drbdsetup
