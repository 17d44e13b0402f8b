#include "cli/drbdadm/commands.h"

#include "cli/drbdadm/actions.h"
#include "cli/drbdadm/show.h"
#include "cli/drbdadm/targets.h"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace drbdadm {

namespace {

constexpr std::string_view kTakesForce = "force";
constexpr std::string_view kPromotion = "force overwrite-data-of-peer";
constexpr std::string_view kWaiting =
    "wfc-timeout degr-wfc-timeout outdated-wfc-timeout wait-after-sb";
constexpr std::string_view kCreation = "force al-stripes al-stripe-size-kB peer-max-bio-size";

struct CommandSpec {
    std::string_view name;
    Scope scope;
    int (*run)(Context&, const Target&);
    std::string_view options = {};  // those of its own
    bool all_by_default = false;    // without operands: every resource
};

constexpr CommandSpec kCommands[] = {
    {"up", Scope::Either, up, "address-later"},
    {"down", Scope::Resource, down},
    {"adjust", Scope::Resource, adjust, "skip-disk skip-net address-later"},
    {"attach", Scope::Volume, attach},
    {"detach", Scope::Volume, detach, kTakesForce},
    {"connect", Scope::Resource, connect, "discard-my-data address-later"},
    {"disconnect", Scope::Resource, disconnect, kTakesForce},
    {"primary", Scope::Volume, primary, kPromotion},
    {"secondary", Scope::Volume, secondary},
    {"invalidate", Scope::Volume, invalidate},
    {"outdate", Scope::Volume, outdate},
    {"peer-suspect", Scope::Resource, peer_suspect},
    {"peer-dead", Scope::Resource, peer_dead},
    {"role", Scope::Volume, role},
    {"cstate", Scope::Volume, cstate},
    {"dstate", Scope::Volume, dstate},
    {"status", Scope::Resource, status, "json statistics", true},
    {"wait-connect", Scope::Volume, wait_connect, kWaiting},
    {"wait-sync", Scope::Volume, wait_sync, kWaiting},
    {"create-md", Scope::Volume, create_md, kCreation},
    {"dump-md", Scope::Volume, meta_command, kTakesForce},
    {"apply-al", Scope::Volume, meta_command, kTakesForce},
    {"wipe-md", Scope::Volume, meta_command, kTakesForce},
    {"show-gi", Scope::Volume, generations, kTakesForce},
    {"get-gi", Scope::Volume, generations, kTakesForce},
    {"dump", Scope::Resource, nullptr, {}, true},
    {"sh-nop", Scope::Resource, nullptr, {}, true},
    {"sh-resources", Scope::Resource, nullptr, {}, true},
    {"sh-mod-parms", Scope::Resource, nullptr, {}, true},
    {"sh-status", Scope::Resource, nullptr, {}, true},
    {"sh-resource", Scope::Volume, sh_resource},
    {"sh-dev", Scope::Volume, sh_dev},
    {"sh-minor", Scope::Volume, sh_minor},
    {"sh-ll-dev", Scope::Volume, sh_ll_dev},
    {"sh-md-dev", Scope::Volume, sh_ll_dev},  // internal metadata: the same device
    {"sh-md-idx", Scope::Volume, sh_md_idx},
    {"sh-ip", Scope::Volume, sh_ip},
    {"sh-udev", Scope::Volume, sh_udev},
    {"sh-b-pri", Scope::Resource, become_primary},
};

constexpr std::string_view kUnsupported[] = {"adjust-with-progress",
                                             "disk-options",
                                             "net-options",
                                             "resource-options",
                                             "invalidate-remote",
                                             "resize",
                                             "check-resize",
                                             "verify",
                                             "pause-sync",
                                             "resume-sync",
                                             "suspend-io",
                                             "resume-io",
                                             "wait-con-int",
                                             "dump-xml",
                                             "set-gi",
                                             "new-current-uuid",
                                             "new-resource",
                                             "new-minor",
                                             "sh-new-minor",
                                             "del-minor",
                                             "new-peer",
                                             "del-peer",
                                             "new-path",
                                             "del-path",
                                             "peer-device-options",
                                             "forget-peer",
                                             "sh-lr-of",
                                             "proxy-up",
                                             "proxy-down",
                                             "hidden-commands",
                                             "pri-on-incon-degr",
                                             "pri-lost-after-sb",
                                             "pri-lost",
                                             "fence-peer",
                                             "unfence-peer",
                                             "local-io-error",
                                             "before-resync-target",
                                             "split-brain",
                                             "initial-split-brain",
                                             "out-of-sync",
                                             "after-resync-target",
                                             "before-resync-source",
                                             "quorum-lost",
                                             "disconnected"};

const CommandSpec* find_command(std::string_view name) {
    const auto found = std::find_if(std::begin(kCommands),
                                    std::end(kCommands),
                                    [&](const CommandSpec& spec) { return spec.name == name; });
    return found == std::end(kCommands) ? nullptr : found;
}

// Commands about the file itself.
std::optional<int> run_on_file(Context& context) {
    const std::string& name = context.line.command;
    if (name == "sh-nop") {
        return 0;
    }
    if (name == "sh-resources") {
        return sh_resources(context);
    }
    if (name == "sh-mod-parms") {
        return sh_mod_parms(context);
    }
    if (name == "sh-status") {
        return sh_status(context);
    }
    if (name == "dump") {
        return dump(context);
    }
    return std::nullopt;
}

// One line tells it for all volumes of a resource: a resource has one role, and one name.
bool tells_of_resource(const CommandSpec& spec) {
    return spec.run == role || spec.run == sh_resource;
}

// The first volume that fails ends its resource, and 20 and more ends everything.
int run_on_targets(Context& context, const CommandSpec& spec, const std::vector<Target>& targets) {
    int worst = 0;
    const config::ResourceConf* skipped = nullptr;
    const config::ResourceConf* answered = nullptr;
    for (const Target& target : targets) {
        const bool is_told = target.resource == answered && tells_of_resource(spec);
        if (target.resource == skipped || (is_told && !context.line.dry_run)) {
            continue;
        }
        const int exit = spec.run(context, target);
        worst = std::max(worst, exit);
        answered = target.resource;
        skipped = exit != 0 ? target.resource : skipped;
        if (exit >= 20) {
            break;
        }
    }
    return worst;
}

}  // namespace

std::vector<std::string_view> command_names() {
    std::vector<std::string_view> names;
    for (const CommandSpec& spec : kCommands) {
        names.push_back(spec.name);
    }
    return names;
}

bool is_command(std::string_view name) {
    return find_command(name) != nullptr;
}

std::vector<std::string> options_of(std::string_view command) {
    const CommandSpec* spec = find_command(command);
    std::istringstream words(spec == nullptr ? "" : std::string(spec->options));
    return {std::istream_iterator<std::string>(words), {}};
}

bool is_unsupported_command(std::string_view name) {
    return std::find(std::begin(kUnsupported), std::end(kUnsupported), name) !=
           std::end(kUnsupported);
}

int run_command(Context& context) {
    const CommandSpec* spec = find_command(context.line.command);
    if (spec == nullptr) {
        return fail(1, "drbdadm: Unknown command '" + context.line.command + "'");
    }
    if (const std::optional<int> exit = run_on_file(context)) {
        return *exit;
    }
    if (context.line.operands.empty() && spec->all_by_default) {
        context.line.operands = {"all"};
    }
    const base::Result<std::vector<Target>> targets = find_targets(context, spec->scope);
    if (!targets) {
        return fail(1, targets.error().text);
    }
    return run_on_targets(context, *spec, *targets);
}

}  // namespace drbdadm
