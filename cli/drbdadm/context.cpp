#include "cli/drbdadm/context.h"

#include "cli/common/child.h"
#include "cli/common/environment.h"
#include "cli/common/outcome.h"
#include "cli/common/own_address.h"
#include "cli/drbdadm/calls.h"
#include "cli/drbdadm/secrets.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace drbdadm {

namespace {

using base::ErrorCode;

// Time for a daemon to come up; it answers before its first process ends.
constexpr std::chrono::seconds kStartTime{5};
constexpr std::chrono::seconds kUnitStartTime{60};  // with all of its resources
constexpr int kNoSuchUnit = 5;                      // of systemctl
constexpr std::chrono::milliseconds kMetaTime{900};

base::Result<control::Reply> ask_version(Context& context) {
    control::Request request;
    request.command = control::Command::Version;
    return context.client.call(std::move(request));
}

// The service serves the default run directory under the machine's own name.
bool is_for_the_service(const Context& context) {
    return ::access("/run/systemd/system", F_OK) == 0 && context.line.daemon_conf.empty() &&
           context.run_dir == cli::kDefaultRunDirectory && context.node == cli::host_name();
}

// False: there is no such service.
bool start_service(Context& context) {
    cli::ChildOptions options;
    options.limit = kUnitStartTime;
    const cli::ChildResult child =
        cli::run_child({"systemctl", "--quiet", "start", "drbdd.service"}, options);
    context.unit_started = child.end == cli::ChildResult::End::Exited && child.exit == 0;
    return child.end != cli::ChildResult::End::NotStarted && child.exit != kNoSuchUnit;
}

int start_directly(Context& context) {
    std::vector<std::string> argv = {
        cli::find_program("drbdd"), "--run-dir", context.run_dir, "--node", context.node};
    if (!context.line.daemon_conf.empty()) {
        argv.insert(argv.end(), {"--daemon-conf", context.line.daemon_conf});
    }
    cli::ChildOptions options;
    options.limit = kStartTime;
    const cli::ChildResult child = cli::run_child(argv, options);
    // Somebody else may have started one at the same moment: what counts is that one answers.
    const auto second = ask_version(context);
    if (second) {
        return 0;
    }
    switch (child.end) {
        case cli::ChildResult::End::NotStarted:
            return fail(cli::kExitUsage,
                        "cannot start '" + argv[0] + "': " + std::strerror(child.error));
        case cli::ChildResult::End::TimedOut:
            return fail(
                cli::kExitUsage,
                "'" + argv[0] + "' was not ready within 5 seconds and was ended; see its log");
        case cli::ChildResult::End::Exited:
            break;
    }
    return fail(cli::kExitUsage,
                "'" + argv[0] + "' did not start (exit code " + std::to_string(child.exit) +
                    "); see its log. " + second.error().text);
}

bool is_plain_file(const std::string& path) {
    struct stat info {};

    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

int fail(int exit, const std::string& text) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", text.c_str());
    return exit;
}

bool only_printed(const Context& context, const std::string& words) {
    if (context.line.dry_run || context.line.verbose) {
        const std::string shown = context.line.show_secrets ? words : with_stars(words);
        std::printf("%s\n", shown.c_str());
        std::fflush(stdout);
    }
    return context.line.dry_run;
}

int fail_to_ask(const base::Error& error) {
    return fail(cli::kExitUsage, error.text);
}

control::Reply about_minor(control::Reply reply) {
    if (reply.code == control::err::kResourceNotKnown) {
        reply.code = control::err::kMinorInvalid;
        reply.text = "unknown minor";
    }
    return reply;
}

int finish(const control::Reply& reply, const std::string& object, const std::string& words) {
    const int exit = cli::exit_code(reply.code);
    if (exit != 0) {
        fail(exit, cli::failure_text(object, reply.code, reply.text));
    }
    if (exit >= 10) {
        fail(exit, "Command '" + words + "' terminated with exit code " + std::to_string(exit));
    }
    return exit;
}

int execute(Context& context,
            control::Request request,
            const std::string& object,
            const std::string& words) {
    const bool about_volume = request.volume.has_value();
    const base::Result<control::Reply> reply = context.client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    return finish(about_volume ? about_minor(*reply) : *reply, object, words);
}

int ensure_daemon(Context& context) {
    const auto first = ask_version(context);
    if (first || first.error().code != ErrorCode::NotFound) {
        return first ? 0 : fail_to_ask(first.error());
    }
    if (!is_for_the_service(context) || !start_service(context)) {
        return start_directly(context);
    }
    const auto second = ask_version(context);
    return second ? 0
                  : fail(cli::kExitUsage,
                         "the service drbdd did not start: see 'journalctl -u drbdd'. " +
                             second.error().text);
}

int check_own_address(const Context& context, const Target& target) {
    const bool wanted = !context.line.dry_run && !context.line.address_later &&
                        !(context.conf.global && context.conf.global->disable_ip_verification);
    const config::Address own = config::canonical(target.host->address);
    if (!wanted || own.ip.empty() || cli::is_own_address(own)) {
        return 0;
    }
    const config::Place& place = target.host->place;
    return fail(cli::kExitConfig,
                place.file + ":" + std::to_string(place.line) + ": in resource " +
                    target.resource->name + ", on " + target.host->names.front() + ":\n\tIP " +
                    target.host->address.ip + " not found on this host.");
}

bool becomes_primary_here(const Context& context, const Target& target) {
    const config::Options startup =
        config::effective_options(context.conf, *target.resource, config::Section::Startup);
    const auto names_us = [&](const std::string& word) {
        const auto& names = target.host->names;
        return word == "both" || std::find(names.begin(), names.end(), word) != names.end();
    };
    return std::any_of(startup.begin(), startup.end(), [&](const config::Option& option) {
        std::istringstream words(option.value);
        bool found = false;
        for (std::string word; option.name == "become-primary-on" && words >> word;) {
            found = found || names_us(word);
        }
        return found;
    });
}

void warn_of_promotion(const Context& context, const Target& target) {
    if (becomes_primary_here(context, target)) {
        fail(0,
             "WARN: option 'become-primary-on' of section 'startup' has an effect when the service "
             "drbdd starts,\nnot here: 'drbdadm sh-b-pri " +
                 target.resource->name + "' does what it says");
    }
}

int run_drbdmeta(Context& context,
                 const config::VolumeConf& volume,
                 const std::string& command,
                 const std::vector<std::string>& options,
                 bool limited) {
    std::vector<std::string> argv = {"drbdmeta",
                                     std::to_string(volume.minor.value_or(0)),
                                     "v08",
                                     meta_device(volume),
                                     meta_index(volume),
                                     command};
    argv.insert(argv.end(), options.begin(), options.end());
    std::string words;
    for (const std::string& word : argv) {
        words += (words.empty() ? "" : " ") + cli::shell_quoted(word);
    }
    if (only_printed(context, words)) {
        return 0;
    }
    // Who keeps data in a plain file said so at create-md: drbdmeta wants to hear it each time.
    if (command != "create-md" && command != "wipe-md" && is_plain_file(meta_device(volume))) {
        argv.insert(argv.begin() + 1, "--force");
    }
    argv[0] = context.line.drbdmeta.empty() ? cli::find_program("drbdmeta") : context.line.drbdmeta;
    cli::ChildOptions child_options;
    const std::uint32_t given =
        context.conf.global ? context.conf.global->cmd_timeout_long.value_or(0) : 0;
    if (limited) {
        child_options.limit = kMetaTime;
    } else if (given != 0) {
        child_options.limit = std::chrono::seconds(given);
    }
    const cli::ChildResult child = cli::run_child(argv, child_options);
    if (child.end == cli::ChildResult::End::NotStarted) {
        return fail(cli::kExitUsage, "cannot run '" + argv[0] + "': " + std::strerror(child.error));
    }
    if (child.end == cli::ChildResult::End::TimedOut) {
        return fail(cli::kExitUsage,
                    "Command '" + words + "' did not terminate within " +
                        (limited ? "1 second" : std::to_string(given) + " seconds"));
    }
    if (child.exit >= 10) {
        fail(child.exit,
             "Command '" + words + "' terminated with exit code " + std::to_string(child.exit));
    }
    return child.exit;
}

}  // namespace drbdadm
