#include "cli/drbdadm/commands.h"

#include "cli/drbdadm/actions.h"
#include "cli/drbdadm/boot.h"
#include "cli/drbdadm/change_options.h"
#include "cli/drbdadm/creation.h"
#include "cli/drbdadm/handlers.h"
#include "cli/drbdadm/refused.h"
#include "cli/drbdadm/show.h"
#include "cli/drbdadm/targets.h"
#include "config/options.h"

#include <algorithm>
#include <cstdio>
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
    {"status", Scope::Resource, status, "json statistics color", true},
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
    {"sh-md-dev", Scope::Volume, sh_md_dev},
    {"sh-md-idx", Scope::Volume, sh_md_idx},
    {"sh-ip", Scope::Volume, sh_ip},
    {"sh-lr-of", Scope::Resource, sh_lr_of},
    {"sh-udev", Scope::Volume, sh_udev},
    {"sh-b-pri", Scope::Resource, become_primary},
    {"new-resource", Scope::Resource, new_resource},
    {"new-minor", Scope::Volume, new_minor},
    {"sh-new-minor", Scope::Volume, new_minor},
    {"del-minor", Scope::Volume, del_minor},
    {"del-resource", Scope::Resource, del_resource},
    {"disk-options", Scope::Volume, disk_options},
    {"net-options", Scope::Resource, net_options},
    {"resource-options", Scope::Resource, resource_options},
    {"adjust-with-progress", Scope::Resource, nullptr, "skip-disk skip-net address-later"},
    {"wait-con-int", Scope::Resource, nullptr, {}, true},
    {"dump-xml", Scope::Resource, nullptr, {}, true},
    {"hidden-commands", Scope::Resource, nullptr, {}, true},
    {"set-gi", Scope::Volume, meta_command, kTakesForce},
    {"resize", Scope::Volume, resize, "size assume-peer-has-space assume-clean"},
    {"check-resize", Scope::Volume, check_resize, kTakesForce},
    {"verify", Scope::Volume, verify, "start stop repair"},
    {"pause-sync", Scope::Volume, pause_sync},
    {"resume-sync", Scope::Volume, resume_sync},
    {"suspend-io", Scope::Volume, suspend_io},
    {"resume-io", Scope::Volume, resume_io},
    {"invalidate-remote", Scope::Volume, invalidate_remote},
    {"new-current-uuid", Scope::Volume, new_current_uuid, "clear-bitmap"},
};

// Every handler is a command of this kind.
constexpr CommandSpec kHandler = {"", Scope::Either, run_handler};

const CommandSpec* find_command(std::string_view name) {
    const auto found = std::find_if(std::begin(kCommands),
                                    std::end(kCommands),
                                    [&](const CommandSpec& spec) { return spec.name == name; });
    if (found != std::end(kCommands)) {
        return found;
    }
    return is_handler(name) ? &kHandler : nullptr;
}

// The options of a section, and --set-defaults.
std::vector<std::string> options_of_section(config::Section section) {
    std::vector<std::string> names = {"set-defaults"};
    for (const config::OptionSpec& spec : config::options_of(section)) {
        names.emplace_back(spec.name);
    }
    return names;
}

bool is_hidden(std::string_view name) {
    return name.starts_with("sh-") || name.starts_with("new-") || name.starts_with("del-") ||
           name == "set-gi" || name == "check-resize" || name == "suspend-io" ||
           name == "resume-io" || name == "peer-suspect" || name == "peer-dead";
}

// Those that the help text does not show: for scripts, and for the daemon.
int hidden_commands() {
    const auto print = [](const std::vector<std::string_view>& names) {
        int column = 0;
        for (const std::string_view name : names) {
            std::printf(" %-35.*s", static_cast<int>(name.size()), name.data());
            if (++column % 2 == 0) {
                std::fputc('\n', stdout);
            }
        }
        std::fputs("\n\n", stdout);
    };
    std::vector<std::string_view> for_scripts;
    for (const CommandSpec& spec : kCommands) {
        if (is_hidden(spec.name)) {
            for_scripts.push_back(spec.name);
        }
    }
    std::vector<std::string_view> handlers;
    for (const config::OptionSpec& spec : config::options_of(config::Section::Handlers)) {
        handlers.push_back(spec.name);
    }
    std::fputs(
        "\nThese additional commands might be useful for writing\nnifty shell scripts around "
        "drbdadm:\n\n",
        stdout);
    print(for_scripts);
    std::fputs("These run the handler of that name as the daemon would:\n\n", stdout);
    print(handlers);
    return 0;
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
    if (name == "dump-xml") {
        return dump_xml(context);
    }
    if (name == "wait-con-int") {
        return wait_con_int(context);
    }
    if (name == "hidden-commands") {
        return hidden_commands();
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

bool needs_no_operand(std::string_view name) {
    const CommandSpec* spec = find_command(name);
    return spec != nullptr && spec->all_by_default;
}

bool is_command(std::string_view name) {
    return find_command(name) != nullptr;
}

std::vector<std::string> options_of(std::string_view command) {
    if (command == "disk-options") {
        return options_of_section(config::Section::Disk);
    }
    if (command == "net-options") {
        return options_of_section(config::Section::Net);
    }
    if (command == "resource-options") {
        return options_of_section(config::Section::Options);
    }
    const CommandSpec* spec = find_command(command);
    std::istringstream words(spec == nullptr ? "" : std::string(spec->options));
    return {std::istream_iterator<std::string>(words), {}};
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
    return context.line.command == "adjust-with-progress"
               ? adjust_with_progress(context, *targets)
               : run_on_targets(context, *spec, *targets);
}

}  // namespace drbdadm
