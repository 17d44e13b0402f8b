#include "cli/drbdadm/refused.h"

#include "cli/common/outcome.h"
#include "cli/drbdadm/actions.h"
#include "cli/drbdadm/calls.h"

#include <iterator>

namespace drbdadm {

namespace {

struct Refusal {
    std::string_view command;
    std::string_view why;
};

constexpr std::string_view kTwoNodes = "a resource has two nodes and one connection here";
constexpr std::string_view kNoProxy = "there is no DRBD Proxy to run";

constexpr Refusal kRefusals[] = {
    {"new-peer", kTwoNodes},
    {"del-peer", kTwoNodes},
    {"new-path", kTwoNodes},
    {"del-path", kTwoNodes},
    {"forget-peer", kTwoNodes},
    {"peer-device-options", "'drbdadm disk-options' and 'drbdadm adjust' change them"},
    {"proxy-up", kNoProxy},
    {"proxy-down", kNoProxy},
};

}  // namespace

std::string_view why_refused(std::string_view command) {
    for (const Refusal& refusal : kRefusals) {
        if (refusal.command == command) {
            return refusal.why;
        }
    }
    return {};
}

int refused(Context& context, const Target& target) {
    const std::string& command = context.line.command;
    const std::string minor = minor_of(*target.volume);
    if (context.line.dry_run) {
        std::string options;
        for (const std::string& option : context.line.for_drbdsetup) {
            options += " " + option;
        }
        for (const config::Option& option : context.line.options) {
            options += " --" + option.name + "=" + option.value;
        }
        only_printed(context, "drbdsetup " + command + " " + minor + options);
        return 0;
    }
    return fail(cli::kExitBadName,
                "drbdadm: command '" + command +
                    "' is known but not supported by this version of drbdd: " +
                    std::string(why_refused(command)));
}

// Of a resource that is down the metadata move; of one that is up the daemon moves them.
int check_resize(Context& context, const Target& target) {
    if (context.line.dry_run) {
        only_printed(context, "drbdsetup resize " + minor_of(*target.volume));
        only_printed(context, "drbdsetup check-resize " + minor_of(*target.volume));
        return 0;
    }
    return meta_command(context, target);
}

}  // namespace drbdadm
