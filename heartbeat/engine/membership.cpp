#include "heartbeat/engine/membership.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr std::size_t kMaxLinks = 70;  // configured media, the disk, some to spare
constexpr Time kLongestDeadtime{24 * 3600 * 1000};
constexpr Time kLate{50};  // later than this after a limit it was we who were slow

Time postponement(Time keepalive) {
    return std::min(keepalive, Time{250});
}

std::optional<NodeState> claimed_state(std::string_view word) {
    if (word == "init") {
        return NodeState::init;
    }
    if (word == "up") {
        return NodeState::up;
    }
    if (word == "active") {
        return NodeState::active;
    }
    return std::nullopt;  // nobody is dead by his own word
}

}  // namespace

std::string_view name_of(NodeState state) {
    switch (state) {
        case NodeState::init:
            return "init";
        case NodeState::up:
            return "up";
        case NodeState::active:
            return "active";
        case NodeState::dead:
            return "dead";
        case NodeState::ping:
            return "ping";
    }
    return "dead";
}

void Membership::start() {
    const config::HaCf& conf = core_.settings.ha_cf;
    for (const std::string& name : conf.nodes) {
        if (name == core_.settings.node) {
            continue;
        }
        Node node;
        node.name = name;
        node.deadtime = conf.deadtime;
        for (const config::HaMedium& medium : conf.media) {
            const std::string& link = config::link_name(medium);
            if (std::none_of(node.links.begin(), node.links.end(), [&](const Link& known) {
                    return known.name == link;
                })) {
                node.links.push_back(Link{link, false, {}});
            }
        }
        nodes_.push_back(std::move(node));
    }
    for (const config::HaPing& ping : conf.pings) {
        Node node;
        node.name = ping.name;
        node.ping = true;
        node.ping_group = ping.group;
        node.deadtime = conf.deadping;
        node.links.push_back(Link{ping.name, false, {}});
        nodes_.push_back(std::move(node));
    }
    for (Node& node : nodes_) {
        node.last_status = core_.now;
    }
    if (const Node* other = partner(); other != nullptr && other->links.size() == 1) {
        core_.journal.warning("There is only one path to " + other->name + " (" +
                              other->links.front().name + "): when it fails, both nodes take over");
    }
}

Node* Membership::find(std::string_view name) {
    const auto found = std::find_if(
        nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.name == name; });
    return found == nodes_.end() ? nullptr : &*found;
}

const Node* Membership::partner() const {
    const auto found =
        std::find_if(nodes_.begin(), nodes_.end(), [](const Node& node) { return !node.ping; });
    return found == nodes_.end() ? nullptr : &*found;
}

Node* Membership::partner() {
    return const_cast<Node*>(static_cast<const Membership*>(this)->partner());
}

bool Membership::partner_alive() const {
    const Node* other = partner();
    return other != nullptr && other->alive();
}

int Membership::pings_alive() const {
    return static_cast<int>(std::count_if(nodes_.begin(), nodes_.end(), [](const Node& node) {
        return node.ping && node.state == NodeState::ping;
    }));
}

bool Membership::all_heard_or_dead() const {
    return std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
        return node.heard || node.state == NodeState::dead;
    });
}

Time Membership::limit_of(const Node& node) const {
    return initial_ ? core_.settings.ha_cf.initdead : node.deadtime;
}

void Membership::on_time() {
    if (postponed_.is_set() && !postponed_.take(core_.now)) {
        return;
    }
    for (Node& node : nodes_) {
        check_node(node);
        if (postponed_.is_set()) {
            return;
        }
    }
    for (Node& node : nodes_) {
        check_links(node);
    }
}

Time Membership::next() const {
    if (postponed_.is_set()) {
        return postponed_.at();
    }
    Time soonest = kNever;
    for (const Node& node : nodes_) {
        if (node.state != NodeState::dead) {
            soonest = std::min(soonest, node.last_status + limit_of(node));
        }
        if (may_be_suspected(node)) {
            soonest = std::min(soonest, node.last_status + limit_of(node) / 2);
        }
        for (const Link& link : node.links) {
            if (link.up) {
                soonest = std::min(soonest, link.last + limit_of(node));
            }
        }
    }
    return soonest;
}

bool Membership::may_be_suspected(const Node& node) const {
    return node.alive() && !initial_ && !node.ping && !node.suspected;
}

void Membership::check_node(Node& node) {
    if (may_be_suspected(node) && core_.now >= node.last_status + limit_of(node) / 2) {
        node.suspected = true;
        core_.emit(SuspectPartner{});
    }
    const Time due = node.last_status + limit_of(node);
    if (node.state == NodeState::dead || core_.now < due) {
        return;
    }
    // A daemon that was itself kept waiting finds the node's messages only after this timer.
    if (core_.now > due + kLate && !node.late_told) {
        node.late_told = true;
        postponed_.set(core_.now + postponement(core_.settings.ha_cf.keepalive));
        return;
    }
    declare_dead(node, core_.now - node.last_status);
}

void Membership::check_links(Node& node) {
    for (Link& link : node.links) {
        if (link.up && core_.now >= link.last + limit_of(node)) {
            link_is_down(node, link);
        }
    }
}

void Membership::declare_dead(Node& node, Time silence) {
    core_.journal.warning("node " + node.name + ": is dead");
    core_.journal.alarm(AlarmKind::node_dead,
                        (node.ping ? "Ping node " : "Node ") + node.name + " is dead: no " +
                            (node.ping ? "answer" : "heartbeat") +
                            (node.heard ? "" : " since our start"));
    core_.journal.decide("Node " + node.name + " declared dead",
                         fact("silence_ms", silence) + fact("limit_ms", limit_of(node)) +
                             fact("last_state", name_of(node.state)));
    node.state = NodeState::dead;
    node.late_told = false;
    // What comes later from the same life is not to be taken for something new.
    node.sequence.floor = std::max(node.sequence.floor, node.sequence.last.value_or(0));
    node.sequence.last.reset();
    node.sequence.missing.clear();
    for (Link& link : node.links) {
        if (link.up) {
            link_is_down(node, link);
        }
    }
    core_.on_node_dead(node);
}

void Membership::link_is_down(Node& node, Link& link) {
    link.up = false;
    core_.journal.info("Link " + node.name + ":" + link.name + " dead.");
    core_.ipfail.on_link_down();
    if (node.ping || node.state == NodeState::dead) {
        return;
    }
    core_.journal.alarm(AlarmKind::link_down, "Link " + node.name + ":" + link.name + " is dead");
    const auto left = std::count_if(
        node.links.begin(), node.links.end(), [](const Link& other) { return other.up; });
    if (left == 1) {
        core_.journal.alarm(AlarmKind::last_link,
                            "Only one path to " + node.name +
                                " is left: repair the others, or the next failure parts the nodes");
    }
}

void Membership::on_heard(Node& node, const std::string& medium, std::uint64_t sequence) {
    auto link = std::find_if(
        node.links.begin(), node.links.end(), [&](const Link& l) { return l.name == medium; });
    if (link == node.links.end()) {
        if (node.links.size() >= kMaxLinks) {
            return;
        }
        node.links.push_back(Link{medium, false, {}});
        link = std::prev(node.links.end());
    }
    if (sequence != 0 && sequence <= link->sequence) {
        return;
    }
    link->sequence = sequence;
    link->last = core_.now;
    if (!link->up) {
        link->up = true;
        core_.journal.info("Link " + node.name + ":" + link->name + " up.");
    }
}

void Membership::note_interval(Node& node) {
    const Time interval = core_.now - node.last_status;
    if (node.heard && node.state != NodeState::dead && interval > core_.settings.ha_cf.warntime) {
        core_.journal.warning("Late heartbeat: Node " + node.name + ": interval " +
                              std::to_string(interval.count()) + " ms");
    }
}

void Membership::change_state(Node& node, NodeState state) {
    if (node.state != state) {
        core_.journal.info("Status update for node " + node.name + ": status " +
                           std::string(name_of(state)));
        node.state = state;
    }
}

void Membership::on_status(Node& node, const wire::Message& message) {
    const auto state = claimed_state(message.get("st"));
    if (!state) {
        core_.messenger.count_dropped();
        return;
    }
    note_interval(node);
    const Time announced{static_cast<Time::rep>(parse_hex(message.get("dt")).value_or(0))};
    if (announced > Time{0} && announced <= kLongestDeadtime) {
        node.deadtime = announced;
    }
    node.last_status = core_.now;
    node.late_told = node.suspected = false;
    node.heard = true;
    const bool believed = node.believed();
    core_.heartbeat.on_heard(node, message);
    change_state(node, *state);
    if (node.believed() && !believed) {
        core_.holdings.on_partner_proven();
    }
    core_.holdings.on_partner_status(node, message);
    core_.isolation.on_partner_status();
}

bool Membership::on_ping_answer(Node& node, const wire::Message& message) {
    const auto number = parse_hex(message.get("sent"));
    const Time sent{static_cast<Time::rep>(number.value_or(0))};
    if (!number || sent <= node.answered_sent || sent > core_.now ||
        core_.now - sent > limit_of(node)) {
        return false;
    }
    node.last_status = core_.now;
    node.late_told = false;
    node.answered_sent = sent;
    const bool came_up = node.state != NodeState::ping;
    node.heard = true;
    change_state(node, NodeState::ping);
    if (came_up) {
        core_.ipfail.on_ping_up();
    }
    core_.isolation.on_ping_answer();
    return true;
}

void Membership::on_medium_down(const std::string& medium, const std::string& why) {
    core_.journal.error("Medium " + medium + " failed: " + why);
    core_.journal.alarm(AlarmKind::link_down, "Medium " + medium + " failed: " + why);
}

}  // namespace hb
