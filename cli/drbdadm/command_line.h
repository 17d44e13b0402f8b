// The words after `drbdadm`. Configuration specification, section 7.1.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drbdadm {

struct CommandLine {
    std::string command;
    std::vector<std::string> operands;  // resources, RES/VNR, minor-N, "all"

    bool stacked = false;
    bool dry_run = false;
    bool verbose = false;
    bool show_secrets = false;  // with -d and -v
    bool version = false;
    bool help = false;
    bool config_to_test = false;
    std::optional<std::string> config_file;
    std::string drbdmeta;  // program to use
    std::string run_dir;
    std::string node;
    std::string daemon_conf;

    // Of commands. Which of them were given, by their full names: each belongs to certain commands.
    std::vector<std::string> given;
    bool force = false;
    bool discard_my_data = false;
    bool json = false;
    bool statistics = false;
    bool skip_disk = false;  // adjust
    bool skip_net = false;
    bool address_later = false;  // up, adjust, connect: the own address may still come
    bool wait_after_sb = false;
    std::optional<std::string> wfc_timeout;
    std::optional<std::string> degr_wfc_timeout;
    std::optional<std::string> outdated_wfc_timeout;
    std::vector<std::string> for_drbdmeta;  // "--al-stripes=4"
};

// Options may stand anywhere; in the old style `drbdadm -- --force primary r0` those of the command
// stand before it. The error is for standard error.
base::Result<CommandLine> parse_command_line(const std::vector<std::string>& words);

// Whether the option of this name, without dashes, has a value.
bool takes_value(std::string_view option);

}  // namespace drbdadm
