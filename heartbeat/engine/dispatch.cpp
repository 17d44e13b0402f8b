// Which part of the engine a message or a command is for. Heartbeat specification, sections 2.6 and
// 4.1.
#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>
#include <array>

namespace hb {

namespace {

constexpr std::size_t kMaxTypeName = 64;

// What only this daemon may say in our name.
constexpr std::array<std::string_view, 14> kOurs = {"status",
                                                    "starting",
                                                    "resource",
                                                    "shutdone",
                                                    "reqnodes",
                                                    "repnodes",
                                                    "stonith",
                                                    "takeover_notice",
                                                    "handover_ended",
                                                    "partition_claim",
                                                    "ip-request",
                                                    "ip-request-resp",
                                                    "start_outdate",
                                                    "outdate_rc"};

// Known, and nothing to do.
constexpr std::array<std::string_view, 6> kIgnored = {
    "addnode", "delnode", "setweight", "setsite", "ifstat", "respond-cstatus"};

// Said by a recording, they would have us start what its speaker has taken since; or outdate our
// copy. The others ask for nothing but to stop.
constexpr std::array<std::string_view, 8> kLetsUsTake = {"resource",
                                                         "shutdone",
                                                         "ask_resources",
                                                         "handover_ended",
                                                         "ip-request",
                                                         "ip-request-resp",
                                                         "start_outdate",
                                                         "outdate_rc"};

template <std::size_t N>
bool is_one_of(std::string_view type, const std::array<std::string_view, N>& list) {
    return std::find(list.begin(), list.end(), type) != list.end();
}

// It becomes the name of a file.
bool is_script_name(std::string_view type) {
    return !type.empty() && type.size() <= kMaxTypeName && type.front() != '-' &&
           std::all_of(type.begin(), type.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
           });
}

}  // namespace

void Core::deliver(Node& from, const wire::Message& message) {
    if (message.type() == "reqnodes") {
        joining.on_reqnodes(from);
    } else if (message.type() == "repnodes") {
        joining.on_repnodes(from, message);
    } else if (&from == members.partner() && !deliver_to_resources(from, message) &&
               !deliver_to_clients(from, message) && !is_one_of(message.type(), kIgnored)) {
        run_script(message);
    }
}

// True if the message was for the resource logic, whether or not it was of use.
bool Core::deliver_to_resources(Node& from, const wire::Message& message) {
    const std::string_view type = message.type();
    const bool coordinated = !legacy();
    if (!from.believed() && is_one_of(type, kLetsUsTake)) {
        journal.debug("may be a recording: " + std::string(type));
        messenger.count_dropped();
        return true;
    }
    if (type == "starting" && coordinated) {
        holdings.on_starting(from, from.believed() ? message : wire::Message("starting"));
    } else if (type == "resource" && coordinated) {
        holdings.on_resource(from, message);
    } else if (type == "ask_resources") {
        standby.on_ask(from, message);
    } else if (type == "handover_ended") {
        standby.on_ended(from, message);
    } else if (type == "takeover_notice") {
        partition.on_takeover_notice(from, message);
    } else if (type == "hb_takeover") {
        const auto which = hold_of(message.get("rsc_hold"));
        const std::string refused = which ? standby.give(mirror(*which)) : "no such hold";
        if (!refused.empty()) {
            journal.warning("takeover asked for by " + from.name + " refused: " + refused);
        }
    } else if (type == "ip-request") {
        legacy_mode.on_request(from, message);
    } else if (type == "ip-request-resp") {
        legacy_mode.on_response(message);
    } else if (type == "shutdone") {
        holdings.on_shutdone(from);
    } else if (type == "stonith") {
        partition.on_fencing_told(from, message);
    } else if (type == "partition_claim") {
        partition.on_claim(from, message);
    } else {
        return type == "starting" || type == "resource";
    }
    return true;
}

bool Core::deliver_to_clients(Node& from, const wire::Message& message) {
    const std::string_view type = message.type();
    if (type == "query-cstatus") {
        clients.on_query(from, message);
    } else if (type == "hbapi-clstat") {
        clients.on_client_status(message);
    } else if (type == "num_ping_nodes") {
        ipfail.on_num_ping_nodes(message);
    } else if (type == "you_are_dead") {
        ipfail.on_you_are_dead();
    } else if (type == "abort_giveup") {
        ipfail.on_abort_giveup();
    } else if (type == "start_outdate") {
        outdating.on_start_outdate(from, message);
    } else if (type == "outdate_rc") {
        outdating.on_outdate_rc(message);
    } else {
        return false;
    }
    return true;
}

void Core::run_script(const wire::Message& message) {
    if (!is_script_name(message.type())) {
        messenger.count_dropped();
        return;
    }
    RunRcScript script;
    script.type = message.type();
    std::transform(script.type.begin(), script.type.end(), script.type.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (const wire::Field& field : message.fields()) {
        if (field.type == wire::FieldType::string && is_script_name(field.name)) {
            script.environment["HA_" + field.name] = field.value;
        }
    }
    script.environment["HA_CURHOST"] = settings.node;
    script.environment["HA_OSTATUS"] = name_of(heartbeat.state());
    if (!legacy()) {
        script.environment["HA_NICEFAILBACK"] = "yes";
    }
    emit(std::move(script));
}

// hb_standby and hb_takeover of the original's package work over the FIFO.
void Core::on_local_message(const wire::Message& message) {
    const std::string_view type = message.type();
    if (type == "ask_resources" || type == "hb_takeover") {
        const std::string which(message.get("rsc_hold"));
        const std::string refused =
            type == "ask_resources" ? standby_command(which) : takeover_command(which);
        if (!refused.empty()) {
            journal.warning(std::string(type) + " refused: " + refused);
        }
        return;
    }
    if (type.empty() || type.starts_with("NS_") || is_one_of(type, kOurs)) {
        journal.warning("message of type [" + std::string(type.substr(0, kMaxTypeName)) +
                        "] in the FIFO ignored");
        return;
    }
    wire::Message own(type);
    for (const wire::Field& field : message.fields()) {
        const bool reserved = field.name == "t" || field.name == "src" || field.name == "srcuuid" ||
                              field.name == "destuuid" || field.name == "seq" ||
                              field.name == "hg" || field.name == "ts" || field.name == "ld" ||
                              field.name == "ttl";
        if (!reserved) {
            own.set_field(field);
        }
    }
    messenger.send(own);
    if (own.get("dest").empty() || own.get("dest") == settings.node) {
        run_script(own);
    }
}

std::string Core::standby_command(const std::string& arg) {
    const auto which = hold_of(arg.empty() ? "all" : arg);
    if (!which || *which == Hold::none) {
        return "give one of all, local, foreign, failback, not \"" + arg + "\"";
    }
    return standby.give(*which);
}

std::string Core::takeover_command(const std::string& arg) {
    const auto which = hold_of(arg.empty() ? "all" : arg);
    if (!which || *which == Hold::none) {
        return "give one of all, local, foreign, failback, not \"" + arg + "\"";
    }
    if (takeover.confirm()) {
        return {};
    }
    if (takeover.pending()) {
        return "the takeover of the dead partner has begun, and waits for: " +
               takeover.waiting_for();
    }
    if (legacy()) {
        return "auto_failback legacy knows no takeover by command: set it to on or off";
    }
    if (!members.partner_alive()) {
        return "there is no other node to take resources from";
    }
    if (shutdown.requested()) {
        return "the node is shutting down";
    }
    standby.forget_failures();
    standby.wish(*which);
    return {};
}

// Empty, or why not. What is under way now is what the command waits for.
std::string Core::begin_handover(const Command& command) {
    const bool dead = takeover.pending();
    std::string refused;
    if (command.verb == Command::Verb::standby) {
        refused = standby_command(command.arg);
    } else if (command.verb == Command::Verb::takeover) {
        refused = takeover_command(command.arg);
    } else if (command.verb == Command::Verb::await_takeover) {
        refused = dead ? "" : "no takeover is pending";
    } else {
        refused = takeover.wrong_node(command.arg);
        if (refused.empty() && !takeover.confirm()) {
            refused = "no takeover waits for a confirmation";
        }
    }
    if (refused.empty() && dead) {
        takeover.await(command.id);
    } else if (refused.empty()) {
        standby.await(command.id);
    }
    return refused;
}

void Core::on_command(const Command& command) {
    std::string refused;
    std::string done;
    switch (command.verb) {
        case Command::Verb::standby:
        case Command::Verb::takeover:
        case Command::Verb::confirm_takeover:
        case Command::Verb::await_takeover:
            refused = begin_handover(command);
            if (refused.empty()) {
                return;  // answered when it has ended
            }
            break;
        case Command::Verb::clear:
            standby.forget_failures(groups.clear_failures(command.arg));
            done = "failures forgotten";
            break;
        case Command::Verb::restart:
            shutdown.keep_and_restart(command.id);
            return;
        case Command::Verb::shutdown:
            shutdown.begin(command.id);
            return;
    }
    emit(CommandDone{command.id, refused.empty() ? 0 : 1, refused.empty() ? done : refused});
}

void Core::on_settings(const SettingsChanged& changed) {
    settings.policy = changed.policy;
    groups.replace(changed.resources);
    monitors.replace();
    standby.forget_failures();  // what is read anew may be the repair
}

}  // namespace hb
