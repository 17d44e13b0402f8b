#include "cli/drbdsetup/program.h"

#include "base/result.h"
#include "cli/common/environment.h"
#include "cli/common/outcome.h"
#include "cli/common/status_text.h"
#include "cli/drbdsetup/commands.h"
#include "config/options.h"

#include <algorithm>
#include <cstdio>
#include <getopt.h>
#include <iterator>
#include <sstream>

namespace drbdsetup {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

constexpr int kRunDir = 256;
constexpr int kOfDrbdConf = 257;

constexpr option kOptions[] = {
    {"verbose", no_argument, nullptr, 'v'},
    {"statistics", no_argument, nullptr, 's'},
    {"json", no_argument, nullptr, 'j'},
    {"color", optional_argument, nullptr, 'c'},
    {"now", no_argument, nullptr, 'n'},
    {"timestamps", no_argument, nullptr, 'T'},
    {"force", no_argument, nullptr, 'f'},
    {"overwrite-data-of-peer", no_argument, nullptr, 'f'},
    {"wfc-timeout", required_argument, nullptr, 't'},
    {"degr-wfc-timeout", required_argument, nullptr, 'd'},
    {"outdated-wfc-timeout", required_argument, nullptr, 'o'},
    {"wait-after-sb", no_argument, nullptr, 'w'},
    {"full", no_argument, nullptr, 'F'},
    {"diff", optional_argument, nullptr, 'D'},
    {"poll", no_argument, nullptr, 'P'},
    {"show-defaults", no_argument, nullptr, 'X'},
    {"set-defaults", no_argument, nullptr, 'S'},
    {"discard-my-data", no_argument, nullptr, 'Y'},
    {"clear-bitmap", no_argument, nullptr, 'C'},
    {"assume-peer-has-space", no_argument, nullptr, 'H'},
    {"assume-clean", no_argument, nullptr, 'A'},
    {"repair", no_argument, nullptr, 'E'},
    {"start", required_argument, nullptr, 'U'},
    {"stop", required_argument, nullptr, 'B'},
    {"run-dir", required_argument, nullptr, kRunDir},
    {"version", no_argument, nullptr, 'V'},
    {"help", no_argument, nullptr, 'h'},
};

// Those and the options of the sections of drbd.conf that the command takes.
std::vector<option> options_for(const CommandSpec* spec) {
    std::vector<option> all(std::begin(kOptions), std::end(kOptions));
    if (spec == nullptr || !spec->section) {
        all.push_back({"size", required_argument, nullptr, 'z'});  // else one of those of a section
    }
    if (spec != nullptr && spec->section) {
        for (const config::OptionSpec& known : config::options_of(*spec->section)) {
            const bool is_bool = known.kind == config::OptionSpec::Kind::Bool;
            all.push_back({known.name.data(),  // of a table of literals
                           is_bool ? optional_argument : required_argument,
                           nullptr,
                           kOfDrbdConf});
        }
    }
    all.push_back({nullptr, 0, nullptr, 0});
    return all;
}

struct Words {
    Arguments arguments;
    std::string letters;  // of the options that were given
};

bool take_timeout(const char* text, config::Seconds& timeout) {
    const config::Number number = config::parse_number(text, ' ');
    if (number.problem != config::Number::Problem::None || number.value > 300000) {
        return false;
    }
    timeout = config::Seconds(static_cast<std::int64_t>(number.value));
    return true;
}

bool take_sector(const char* text, std::optional<std::uint64_t>& sector) {
    const config::Number number = config::parse_number(text, 's');
    sector = number.value;
    return number.problem == config::Number::Problem::None;
}

// False: the value of the option is none.
bool take_option(Words& words, int code) {
    Arguments& arguments = words.arguments;
    switch (code) {
        case 'v':
            arguments.verbose = true;
            return true;
        case 's':
            arguments.statistics = true;
            return true;
        case 'j':
            arguments.json = true;
            return true;
        case 'c':
            arguments.color = optarg != nullptr ? optarg : "always";
            return cli::wants_color(arguments.color).has_value();
        case 'n':
            arguments.now = true;
            return true;
        case 'T':
            arguments.timestamps = true;
            return true;
        case 'f':
            arguments.force = true;
            return true;
        case 'F':
            arguments.full = true;
            return true;
        case 'D':
            arguments.diff = true;
            return true;
        case 'P':
            arguments.poll = true;
            return true;
        case 'X':
            arguments.show_defaults = true;
            return true;
        case 'S':
            arguments.set_defaults = true;
            return true;
        case 'Y':
            arguments.discard_my_data = true;
            return true;
        case 'C':
            arguments.clear_bitmap = true;
            return true;
        case 'H':
            arguments.assume_peer_has_space = true;
            return true;
        case 'A':
            arguments.assume_clean = true;
            return true;
        case 'E':
            arguments.repair = true;
            return true;
        case 'z':
            arguments.size = optarg;
            return true;
        case 'U':
            return take_sector(optarg, arguments.start);
        case 'B':
            return take_sector(optarg, arguments.stop);
        case 'w':
            arguments.timeouts.wait_after_sb = true;
            return true;
        case 't':
            return take_timeout(optarg, arguments.timeouts.wfc_timeout);
        case 'd':
            return take_timeout(optarg, arguments.timeouts.degr_wfc_timeout);
        case 'o':
            return take_timeout(optarg, arguments.timeouts.outdated_wfc_timeout);
        case kRunDir:
            arguments.run_dir = optarg;
            return true;
        default:
            return true;
    }
}

Result<Words> parse(const std::vector<std::string>& given) {
    std::vector<char*> argv = {const_cast<char*>("drbdsetup")};
    for (const std::string& word : given) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    const int argc = static_cast<int>(argv.size()) - 1;
    const auto command = std::find_if(given.begin(), given.end(), [](const std::string& word) {
        return find_command(word) != nullptr;
    });
    const std::vector<option> options =
        options_for(command == given.end() ? nullptr : find_command(*command));
    optind = 0;  // start anew, with permutation
    opterr = 0;
    Words words;
    while (true) {
        int index = -1;
        const int code =
            ::getopt_long(argc, argv.data(), ":vsjnTft:d:o:wVh", options.data(), &index);
        if (code < 0) {
            break;
        }
        const std::string word = argv[static_cast<std::size_t>(optind - 1)];
        if (code == '?' || code == ':') {
            return Error{
                ErrorCode::Invalid,
                (code == '?' ? "unrecognized option '" : "no value for option '") + word + "'"};
        }
        if (code == kOfDrbdConf) {
            words.arguments.options.push_back(
                {options[static_cast<std::size_t>(index)].name, optarg ? optarg : "yes", {}});
            continue;
        }
        if (!take_option(words, code)) {
            return Error{ErrorCode::Invalid,
                         "'" + word + "': " +
                             (code == 'c' ? "always, auto or never" : "not a number of seconds")};
        }
        if (code != kRunDir) {
            words.letters += static_cast<char>(code);
        }
    }
    for (int i = optind; i < argc; ++i) {
        words.arguments.operands.emplace_back(argv[static_cast<std::size_t>(i)]);
    }
    if (!words.arguments.operands.empty()) {
        words.arguments.command = words.arguments.operands.front();
        words.arguments.operands.erase(words.arguments.operands.begin());
    }
    return words;
}

std::string usage() {
    std::string text =
        "\nUSAGE: drbdsetup command device arguments options\n\n"
        "Device is usually a minor number or /dev/drbdX.\n\nCommands are:\n";
    for (const CommandSpec& spec : all_commands()) {
        text += "    " + std::string(spec.name) + " " + std::string(spec.operand);
        for (const option& o : kOptions) {
            const bool taken =
                o.val < 256 && spec.options.find(static_cast<char>(o.val)) != std::string::npos;
            text += taken ? " [--" + std::string(o.name) + (o.has_arg != 0 ? "=...]" : "]") : "";
        }
        text += spec.section
                    ? " [options of " + std::string(config::section_name(*spec.section)) + "]"
                    : "";
        text += "\n";
    }
    return text + "\nOption of all commands: --run-dir=...\n";
}

int fail_usage(const std::string& text) {
    std::fprintf(stderr, "%s\n%s\n", text.c_str(), usage().c_str());
    return cli::kExitUsage;
}

bool has_letter(const std::string& letters, char letter) {
    return letters.find(letter) != std::string::npos;
}

std::string name_of(char letter) {
    const auto* known = std::find_if(
        std::begin(kOptions), std::end(kOptions), [&](const auto& o) { return o.val == letter; });
    return known == std::end(kOptions) ? std::string(1, letter) : known->name;
}

// What is wrong with the words for this command; empty if nothing.
std::string problem_with(const Words& words, const CommandSpec& spec) {
    for (const char letter : words.letters) {
        if (spec.options.find(letter) == std::string::npos) {
            return std::string(spec.name) + ": unrecognized option '--" + name_of(letter) + "'";
        }
    }
    const std::size_t count = words.arguments.operands.size();
    std::istringstream names{std::string(spec.operand)};
    const std::vector<std::string> wanted{std::istream_iterator<std::string>(names), {}};
    const bool optional = spec.operand.starts_with('[');
    if (count < wanted.size() && !optional) {
        return std::string(spec.name) + ": missing argument '" + wanted[count] + "'";
    }
    if (count > wanted.size() + spec.more) {
        return std::string(spec.name) + ": excess argument '" +
               words.arguments.operands[wanted.size() + spec.more] + "'";
    }
    return "";
}

}  // namespace

int run(const std::vector<std::string>& given) {
    Result<Words> words = parse(given);
    if (!words) {
        return fail_usage((given.empty() ? "drbdsetup" : given.front()) + ": " +
                          words.error().text);
    }
    if (has_letter(words->letters, 'V')) {
        std::printf("drbdsetup of drbdd %s\n", DRBDD_VERSION);
        return 0;
    }
    if (has_letter(words->letters, 'h') || words->arguments.command == "help") {
        std::printf("%s", usage().c_str());
        return 0;
    }
    if (words->arguments.command.empty()) {
        return fail_usage("");
    }
    if (const std::string why(why_refused(words->arguments.command)); !why.empty()) {
        std::fprintf(stderr,
                     "drbdsetup: command '%s' is known but not supported by this version of "
                     "drbdd: %s\n",
                     words->arguments.command.c_str(),
                     why.c_str());
        return cli::kExitUsage;
    }
    const CommandSpec* spec = find_command(words->arguments.command);
    if (spec == nullptr) {
        return fail_usage(words->arguments.command + ": unknown command");
    }
    if (const std::string problem = problem_with(*words, *spec); !problem.empty()) {
        return fail_usage(problem);
    }
    cli::Client client(cli::run_directory(words->arguments.run_dir));
    return spec->run(words->arguments, client);
}

}  // namespace drbdsetup
