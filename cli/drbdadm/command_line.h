// The words after `drbdadm`. Configuration specification, section 7.1.
#pragma once

#include "base/result.h"
#include "config/drbd_conf.h"

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
    std::optional<std::string> config_file;
    std::string config_to_test;     // read beside the other, as if it had been included
    std::string config_to_exclude;  // not read where it is included
    std::string drbdmeta;           // program to use
    std::string run_dir;
    std::string node;
    std::string daemon_conf;

    // Of commands. Which of them were given, by their full names: each belongs to certain commands.
    std::vector<std::string> given;
    bool force = false;
    bool discard_my_data = false;
    bool clear_bitmap = false;
    bool json = false;
    std::string color = "auto";  // "always" if --color has no word
    bool statistics = false;
    bool skip_disk = false;  // adjust
    bool skip_net = false;
    bool address_later = false;  // up, adjust, connect: the own address may still come
    bool wait_after_sb = false;
    std::optional<std::string> wfc_timeout;
    std::optional<std::string> degr_wfc_timeout;
    std::optional<std::string> outdated_wfc_timeout;
    std::vector<std::string> for_drbdmeta;   // "--al-stripes=4"
    std::vector<std::string> for_drbdsetup;  // "--start=0", of commands that are only printed
    config::Options options;                 // of disk-options and its like
    bool set_defaults = false;
    std::string peer;  // --peer: whose connection is meant, which is the only one
};

// Options may stand anywhere; in the old style `drbdadm -- --force primary r0` those of the command
// stand before it. The error is for standard error.
base::Result<CommandLine> parse_command_line(const std::vector<std::string>& words);

// Whether the option of this name, without dashes, has a value.
bool takes_value(std::string_view option);

}  // namespace drbdadm
