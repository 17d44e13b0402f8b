#include "cli/drbdadm/program.h"

#include "cli/common/environment.h"
#include "cli/common/outcome.h"
#include "cli/drbdadm/command_line.h"
#include "cli/drbdadm/commands.h"
#include "cli/drbdadm/context.h"
#include "cli/drbdadm/refused.h"
#include "cli/drbdadm/secrets.h"

#include <algorithm>
#include <cstdio>

namespace drbdadm {

namespace {

void print_commands() {
    std::fputs("\nCOMMANDS:\n", stdout);
    int column = 0;
    for (const std::string_view name : command_names()) {
        std::printf(" %-35.*s", static_cast<int>(name.size()), name.data());
        if (++column % 2 == 0) {
            std::fputc('\n', stdout);
        }
    }
    std::fputc('\n', stdout);
}

// Of one command, or of all if it is none. The completions of shells read the options of a command
// from here.
void print_usage(const std::string& command = "") {
    const bool of_one = is_command(command);
    std::printf("\nUSAGE: drbdadm %s [OPTION...] {all|RESOURCE...}\n",
                of_one ? command.c_str() : "COMMAND");
    std::fputs(
        "\nGENERAL OPTIONS:\n"
        "  --dry-run, -d\n"
        "  --verbose, -v\n"
        "  --show-secrets\n"
        "  --config-file=..., -c ...\n"
        "  --config-to-test=..., -t ...\n"
        "  --config-to-exclude=..., -E ...\n"
        "  --stacked, -S\n"
        "  --peer=..., -P ...\n"
        "  --drbdmeta=..., -m ...\n"
        "  --run-dir=...\n"
        "  --node=...\n"
        "  --daemon-conf=...\n"
        "  --version, -V\n"
        "  --help, -h\n",
        stdout);
    if (const auto options = options_of(command); !options.empty()) {
        std::printf("\nOPTIONS FOR %s:\n", command.c_str());
        for (const std::string& option : options) {
            std::printf("  --%s%s\n", option.c_str(), takes_value(option) ? "=..." : "");
        }
    }
    if (!of_one) {
        print_commands();
    }
    std::fputs("\nVersion: drbdd " DRBDD_VERSION " (api:1)\n\n", stdout);
}

// For eval by a shell; resource agents choose the 8.4 way of working by the second and third line.
int print_version() {
    std::printf("DRBDADM_BUILDTAG=drbdd\\ " DRBDD_VERSION
                "\n"
                "DRBDADM_API_VERSION=1\n"
                "DRBD_KERNEL_VERSION_CODE=0x08040b\n"
                "DRBDADM_VERSION_CODE=0x091600\n"
                "DRBDADM_VERSION=9.22.0\n");
    return 0;
}

int load_configuration(Context& context, config::FileSource& files) {
    const std::string path = context.line.config_file.value_or(config::default_drbd_conf());
    config::LoadedConf loaded = config::load_drbd_conf(
        path, context.node, files, {context.line.config_to_test, context.line.config_to_exclude});
    for (const std::string& error : loaded.errors) {
        std::fprintf(stderr, "%s\n", error.c_str());
    }
    if (loaded.unreadable) {
        return context.line.config_file ? cli::kExitUsage : cli::kExitConfig;
    }
    if (!loaded.errors.empty()) {
        return cli::kExitConfig;
    }
    for (const std::string& note : loaded.notes) {
        if (!context.line.command.starts_with("sh-")) {
            std::fprintf(stderr, "%s\n", note.c_str());
        }
    }
    const bool is_done = context.line.command == "up" || context.line.command == "adjust";
    if (is_done && !context.line.dry_run) {
        for (const std::string& warning : loaded.warnings) {
            std::fprintf(stderr, "%s\n", warning.c_str());
        }
        for (const std::string& warning : known_secrets(loaded.conf)) {
            std::fprintf(stderr, "%s\n", warning.c_str());
        }
    }
    context.conf = std::move(loaded.conf);
    return 0;
}

// An option of another command is none of this one's: what it asks for would not happen.
int check_options(const CommandLine& line) {
    const std::vector<std::string> known = options_of(line.command);
    for (const std::string& option : line.given) {
        if (std::find(known.begin(), known.end(), option) == known.end()) {
            return fail(cli::kExitBadName,
                        "drbdadm: unrecognized option '--" + option + "'\ntry 'drbdadm help " +
                            line.command + "'");
        }
    }
    return 0;
}

// What is wrong with the words themselves; 0 if nothing.
int check_usage(const CommandLine& line) {
    if (line.command.empty()) {
        print_usage();
        return fail(cli::kExitBadName, "No command specified");
    }
    if (!is_command(line.command)) {
        const std::string why(why_refused(line.command));
        return fail(cli::kExitBadName,
                    why.empty()
                        ? "drbdadm: Unknown command '" + line.command + "'"
                        : "drbdadm: command '" + line.command +
                              "' is known but not supported by this version of drbdd: " + why);
    }
    if (const int exit = check_options(line); exit != 0) {
        return exit;
    }
    if (!line.config_to_test.empty() && line.command != "dump" && line.command != "sh-nop") {
        return fail(cli::kExitBadName,
                    "The --config-to-test (-t) option is only allowed with the dump and sh-nop "
                    "commands");
    }
    if (line.operands.empty() && !needs_no_operand(line.command)) {
        print_usage();
        return fail(cli::kExitBadName, "No resource names specified");
    }
    return 0;
}

}  // namespace

int run(const std::vector<std::string>& words) {
    config::SystemFiles files;
    return run(words, files);
}

int run(const std::vector<std::string>& words, config::FileSource& files) {
    base::Result<CommandLine> line = parse_command_line(words);
    if (!line) {
        return fail(cli::kExitBadName, line.error().text);
    }
    if (line->version) {
        return print_version();
    }
    if (line->help || line->command == "help") {
        print_usage(line->command == "help" && !line->operands.empty() ? line->operands.front()
                                                                       : line->command);
        return 0;
    }
    if (const int exit = check_usage(*line); exit != 0) {
        return exit;
    }
    std::string node = cli::node_name(line->node);
    std::string run_dir = cli::run_directory(line->run_dir);
    Context context(std::move(*line), std::move(node), std::move(run_dir));
    if (const int exit = load_configuration(context, files); exit != 0) {
        return exit;
    }
    const std::vector<config::ResourceConf>& all = context.conf.resources;
    const bool any_stacked = std::any_of(all.begin(), all.end(), [&](const auto& resource) {
        return resource.is_stacked(context.node);
    });
    if (context.line.stacked && !any_stacked && context.line.command != "sh-resources") {
        return fail(cli::kExitBadName,
                    "WARN: nothing stacked for this host (" + context.node +
                        "), nothing to do in stacked mode!");
    }
    return run_command(context);
}

}  // namespace drbdadm
