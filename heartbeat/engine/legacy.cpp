#include "heartbeat/engine/legacy.h"

#include "heartbeat/engine/core.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kAskHolderAgain{10'000};
constexpr std::size_t kMaxOwed = 1000;

}  // namespace

void Legacy::on_communication_up() {
    up_ = true;
    if (!core_.legacy() || core_.shutdown.running() || !core_.members.partner_alive()) {
        return;  // alone: the takeover of the dead partner takes ours, too
    }
    leave_what_runs_at_home();
    for (const std::size_t index : core_.groups.indexes(Hold::local)) {
        ask(core_.groups.all()[index].key());
    }
}

// What was kept over a restart of this daemon, although its home lives and is in full swing: it
// was started there while the nodes did not hear each other, or will be asked for once more.
void Legacy::leave_what_runs_at_home() {
    if (core_.members.partner()->state != NodeState::active ||
        !has(core_.groups.wanted(), Hold::foreign)) {
        return;
    }
    core_.journal.alarm(AlarmKind::dual_claim,
                        "Node " + core_.members.partner()->name +
                            " was at work when we came up: its groups are stopped here");
    core_.groups.give(Purpose::conflict, core_.groups.indexes(Hold::foreign));
    core_.holdings.replace(core_.groups.wanted());
}

void Legacy::ask(const std::string& key) {
    wire::Message request("ip-request");
    request.set("ipaddr", key);
    core_.messenger.send(std::move(request));
    asked_[key] = core_.now + kAskHolderAgain;
}

void Legacy::on_time() {
    if (!core_.legacy()) {
        return;
    }
    for (auto& [key, again] : asked_) {
        if (core_.now >= again) {
            ask(key);
        }
    }
    settle();
}

Time Legacy::next() const {
    Time soonest = kNever;
    for (const auto& [key, again] : asked_) {
        soonest = std::min(soonest, again);
    }
    return soonest;
}

void Legacy::on_request(const Node& from, const wire::Message& message) {
    const std::string key(message.get("ipaddr"));
    if (!core_.legacy() || owed_.size() >= kMaxOwed) {
        return;
    }
    if (owed_.emplace(key, false).second) {
        const auto group = core_.groups.find(key);
        if (group && core_.groups.all()[*group].wanted && !core_.shutdown.running()) {
            core_.journal.decide("Giving group " + key + " to " + from.name + ", which asks for it",
                                 {});
            core_.emit(RunRcScript{"local_giveip", {{"HA_ipaddr", key}, {"HA_src", from.name}}});
        }
    }
    settle();
}

// Gives what is asked for, and replies for what has stopped: by this, or by anything else.
void Legacy::settle() {
    if (!core_.holdings.looked()) {
        return;  // what we do not know we do not deny
    }
    for (auto owed = owed_.begin(); owed != owed_.end();) {
        const auto group = core_.groups.find(owed->first);
        if (group && core_.groups.all()[*group].wanted) {
            owed->second = true;
            core_.groups.give(Purpose::legacy_give, {*group});
        }
        if (group && !core_.groups.idle(*group)) {
            ++owed;
            continue;
        }
        if (group) {
            core_.groups.drop(*group);
        }
        respond(owed->first, owed->second);
        owed = owed_.erase(owed);
    }
    core_.holdings.replace(core_.groups.wanted());
}

void Legacy::respond(std::string_view key, bool owned) {
    const Node* partner = core_.members.partner();
    if (partner == nullptr) {
        return;
    }
    wire::Message response("ip-request-resp");
    response.set("dest", partner->name).set("ipaddr", key);
    response.set("weown", owned ? "yes" : "no").set("ok", "OK");
    core_.messenger.send(std::move(response), partner->name);
}

void Legacy::on_response(const wire::Message& message) {
    const std::string key(message.get("ipaddr"));
    if (!core_.legacy() || message.get("ok") != "OK" || asked_.erase(key) == 0 ||
        core_.shutdown.running() || core_.isolation.isolated()) {
        return;  // nothing that we asked for, or may have now
    }
    if (const auto group = core_.groups.find(key); group) {
        core_.groups.take(Purpose::legacy_take, {*group});
        core_.holdings.replace(core_.groups.wanted());
    }
}

void Legacy::on_partner_gone() {
    asked_.clear();
    owed_.clear();
}

void Legacy::on_replaced() {
    if (!core_.legacy() || !up_) {
        return;
    }
    std::erase_if(asked_, [&](const auto& asked) { return !core_.groups.find(asked.first); });
    want_ours();
}

void Legacy::on_partner_returned(bool in_full_swing) {
    if (!core_.legacy() || !up_ || core_.shutdown.running()) {
        return;
    }
    if (in_full_swing && has(core_.groups.wanted(), Hold::foreign)) {
        core_.journal.alarm(AlarmKind::dual_claim,
                            "Node " + core_.members.partner()->name +
                                " has taken over its groups unheard: they are stopped here");
        core_.groups.give(Purpose::conflict, core_.groups.indexes(Hold::foreign));
    }
    want_ours();
}

bool Legacy::partner_may_hold() const {
    return core_.takeover.pending() || !core_.joining.done() || core_.isolation.isolated() ||
           (core_.members.partner_alive() && !core_.holdings.other_left());
}

void Legacy::want_ours() {
    if (!up_) {
        return;  // then each is asked for
    }
    for (const std::size_t index : core_.groups.indexes(Hold::local)) {
        const Group& group = core_.groups.all()[index];
        if (!group.wanted && core_.members.partner_alive()) {
            ask(group.key());
        } else if (!group.wanted && !partner_may_hold()) {
            core_.groups.take(Purpose::legacy_take, {index});
        }
    }
}

}  // namespace hb
