// The commands of drbdsetup, each with the options that it takes.
#pragma once

#include "cli/common/client.h"
#include "config/drbd_conf.h"

#include <optional>
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
    std::string color = "auto";  // "always" if --color has no word
    bool now = false;
    bool timestamps = false;
    bool full = false;  // the next three: of events2
    bool diff = false;
    bool poll = false;
    bool force = false;
    bool discard_my_data = false;
    bool clear_bitmap = false;
    bool assume_peer_has_space = false;  // the next three: of resize
    bool assume_clean = false;
    bool repair = false;
    std::optional<std::string> size;
    std::optional<std::uint64_t> start;  // sectors; the next one as well
    std::optional<std::uint64_t> stop;
    bool show_defaults = false;
    bool set_defaults = false;
    config::Options options;  // those of a section of drbd.conf
    config::StartupSettings timeouts;
};

struct CommandSpec {
    std::string_view name;
    std::string_view options;  // letters of the options that it takes
    std::string_view operand;  // "RES", "[RES]", "RES MINOR VOLUME": for the usage text
    int (*run)(const Arguments& arguments, cli::Client& client);
    std::optional<config::Section> section = std::nullopt;  // whose options it takes, too
    std::size_t more = 0;                                   // further operands that it may have
};

const CommandSpec* find_command(std::string_view name);
std::vector<CommandSpec> all_commands();

// Why a command of the original is not done; empty: it is, or nobody knows it.
std::string_view why_refused(std::string_view name);

}  // namespace drbdsetup
