#include "cli/drbdadm/command_line.h"

#include "config/options.h"

#include <algorithm>
#include <getopt.h>
#include <iterator>

namespace drbdadm {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

enum LongOption {
    kRunDir = 256,
    kNode,
    kDaemonConf,
    kShowSecrets,
    kForce,  // from here on: of certain commands
    kDiscardMyData,
    kClearBitmap,
    kJson,
    kColor,
    kStatistics,
    kSkipDisk,
    kSkipNet,
    kAddressLater,
    kWaitAfterSb,
    kWfcTimeout,
    kDegrWfcTimeout,
    kOutdatedWfcTimeout,
    kForDrbdmeta,
    kForDrbdsetup,
    kSetDefaults,
    kOfDrbdConf,  // an option of net, disk or options
};

// getopt_long() also takes unique beginnings of these, on which scripts rely.
constexpr option kOptions[] = {
    {"stacked", no_argument, nullptr, 'S'},
    {"dry-run", no_argument, nullptr, 'd'},
    {"verbose", no_argument, nullptr, 'v'},
    {"config-file", required_argument, nullptr, 'c'},
    {"config-to-test", required_argument, nullptr, 't'},
    {"config-to-exclude", required_argument, nullptr, 'E'},
    {"peer", required_argument, nullptr, 'P'},
    {"drbd-proxy-ctl", required_argument, nullptr, 'p'},
    {"setup-option", required_argument, nullptr, 'W'},
    {"drbdsetup", required_argument, nullptr, 's'},
    {"drbdmeta", required_argument, nullptr, 'm'},
    {"sh-varname", required_argument, nullptr, 'n'},
    {"version", no_argument, nullptr, 'V'},
    {"help", no_argument, nullptr, 'h'},
    {"run-dir", required_argument, nullptr, kRunDir},
    {"node", required_argument, nullptr, kNode},
    {"daemon-conf", required_argument, nullptr, kDaemonConf},
    {"show-secrets", no_argument, nullptr, kShowSecrets},
    {"force", no_argument, nullptr, kForce},
    {"overwrite-data-of-peer", no_argument, nullptr, kForce},
    {"discard-my-data", no_argument, nullptr, kDiscardMyData},
    {"json", no_argument, nullptr, kJson},
    {"color", optional_argument, nullptr, kColor},
    {"statistics", no_argument, nullptr, kStatistics},
    {"skip-disk", no_argument, nullptr, kSkipDisk},
    {"skip-net", no_argument, nullptr, kSkipNet},
    {"address-later", no_argument, nullptr, kAddressLater},
    {"wait-after-sb", no_argument, nullptr, kWaitAfterSb},
    {"wfc-timeout", required_argument, nullptr, kWfcTimeout},
    {"degr-wfc-timeout", required_argument, nullptr, kDegrWfcTimeout},
    {"outdated-wfc-timeout", required_argument, nullptr, kOutdatedWfcTimeout},
    {"al-stripes", required_argument, nullptr, kForDrbdmeta},
    {"al-stripe-size-kB", required_argument, nullptr, kForDrbdmeta},
    {"peer-max-bio-size", required_argument, nullptr, kForDrbdmeta},
    {"start", required_argument, nullptr, kForDrbdsetup},
    {"stop", required_argument, nullptr, kForDrbdsetup},
    {"assume-peer-has-space", no_argument, nullptr, kForDrbdsetup},
    {"assume-clean", no_argument, nullptr, kForDrbdsetup},
    {"repair", no_argument, nullptr, kForDrbdsetup},
    {"clear-bitmap", no_argument, nullptr, kClearBitmap},
    {"set-defaults", no_argument, nullptr, kSetDefaults},
};

// Those and the options of a resource; each name once.
std::vector<option> all_options() {
    std::vector<option> all(std::begin(kOptions), std::end(kOptions));
    for (const config::Section section :
         {config::Section::Net, config::Section::Disk, config::Section::Options}) {
        for (const config::OptionSpec& spec : config::options_of(section)) {
            const bool is_there = std::any_of(
                all.begin(), all.end(), [&](const option& o) { return o.name == spec.name; });
            const bool is_bool = spec.kind == config::OptionSpec::Kind::Bool;
            if (!is_there) {
                all.push_back({spec.name.data(),  // of a table of literals
                               is_bool ? optional_argument : required_argument,
                               nullptr,
                               kOfDrbdConf});
            }
        }
    }
    return all;
}

void take_option(CommandLine& line, int code, const std::string& name, const std::string& value) {
    switch (code) {
        case 'S':
            line.stacked = true;
            break;
        case 'd':
            line.dry_run = true;
            break;
        case 'v':
            line.verbose = true;
            break;
        case 'c':
            line.config_file = value;
            break;
        case 't':
            line.config_to_test = value;
            break;
        case 'E':
            line.config_to_exclude = value;
            break;
        case 'W':
            line.for_drbdmeta.push_back(value);
            line.for_drbdsetup.push_back(value);
            break;
        case 'P':
            line.peer = value;
            break;
        case 'm':
            line.drbdmeta = value;
            break;
        case 'V':
            line.version = true;
            break;
        case 'h':
            line.help = true;
            break;
        case kRunDir:
            line.run_dir = value;
            break;
        case kNode:
            line.node = value;
            break;
        case kDaemonConf:
            line.daemon_conf = value;
            break;
        case kShowSecrets:
            line.show_secrets = true;
            break;
        case kForce:
            line.force = true;
            break;
        case kDiscardMyData:
            line.discard_my_data = true;
            break;
        case kClearBitmap:
            line.clear_bitmap = true;
            break;
        case kJson:
            line.json = true;
            break;
        case kColor:
            line.color = value.empty() ? "always" : value;
            break;
        case kStatistics:
            line.statistics = true;
            break;
        case kSkipDisk:
            line.skip_disk = true;
            break;
        case kSkipNet:
            line.skip_net = true;
            break;
        case kAddressLater:
            line.address_later = true;
            break;
        case kWaitAfterSb:
            line.wait_after_sb = true;
            break;
        case kWfcTimeout:
            line.wfc_timeout = value;
            break;
        case kDegrWfcTimeout:
            line.degr_wfc_timeout = value;
            break;
        case kOutdatedWfcTimeout:
            line.outdated_wfc_timeout = value;
            break;
        case kForDrbdmeta:
            line.for_drbdmeta.push_back("--" + name + "=" + value);
            break;
        case kForDrbdsetup:
            line.for_drbdsetup.push_back("--" + name + (value.empty() ? "" : "=" + value));
            break;
        case kSetDefaults:
            line.set_defaults = true;
            break;
        case kOfDrbdConf:
            line.options.push_back({name, value.empty() ? "yes" : value, {}});
            break;
        default:  // -s, -p and -n have no meaning here: there is no other drbdsetup to run
            break;
    }
}

// Takes the options of `words` into `line`; what is left are the operands.
Result<std::vector<std::string>> take_options(CommandLine& line,
                                              const std::vector<std::string>& words) {
    std::vector<char*> argv = {const_cast<char*>("drbdadm")};
    for (const std::string& word : words) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    const int argc = static_cast<int>(argv.size()) - 1;
    std::vector<option> options = all_options();
    options.push_back({nullptr, 0, nullptr, 0});
    optind = 0;  // start anew, with permutation
    opterr = 0;
    while (true) {
        int index = -1;
        const int code =
            ::getopt_long(argc, argv.data(), ":Sdvc:t:E:P:p:W:s:m:n:Vh", options.data(), &index);
        if (code < 0) {
            break;
        }
        const std::string word = argv[static_cast<std::size_t>(optind - 1)];
        if (code == '?') {
            const bool is_short = optopt > 0 && optopt < 256;
            return Error{ErrorCode::Invalid,
                         is_short ? std::string("drbdadm: invalid option -- '") +
                                        static_cast<char>(optopt) + "'"
                                  : "drbdadm: unrecognized option '" + word + "'"};
        }
        if (code == ':') {
            return Error{ErrorCode::Invalid, "drbdadm: option '" + word + "' requires an argument"};
        }
        const std::string name = index >= 0 ? options[static_cast<std::size_t>(index)].name : "";
        if (code >= kForce) {
            line.given.push_back(name);
        }
        take_option(line, code, name, optarg ? optarg : "");
    }
    return std::vector<std::string>(argv.begin() + optind, argv.end() - 1);
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& words) {
    CommandLine line;
    Result<std::vector<std::string>> left = take_options(line, words);
    if (!left) {
        return left.error();
    }
    // What stands between "--" and the command is meant for the command.
    std::vector<std::string> old_style;
    std::size_t at = 0;
    while (at < left->size() && left->at(at).starts_with('-')) {
        old_style.push_back(left->at(at++));
    }
    if (const auto none = take_options(line, old_style); !none) {
        return none.error();
    }
    if (at < left->size()) {
        line.command = left->at(at++);
    }
    line.operands.assign(left->begin() + static_cast<std::ptrdiff_t>(at), left->end());
    return line;
}

bool takes_value(std::string_view option) {
    const std::vector<::option> all = all_options();
    return std::any_of(all.begin(), all.end(), [&](const ::option& known) {
        return known.name == option && known.has_arg != no_argument;
    });
}

}  // namespace drbdadm
