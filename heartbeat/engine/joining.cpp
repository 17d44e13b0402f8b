#include "heartbeat/engine/joining.h"

#include "heartbeat/engine/core.h"

namespace hb {

namespace {

constexpr Time kAskAgain{1000};

}  // namespace

void Joining::on_time() {
    if (phase_ == Phase::waiting && core_.members.all_heard_or_dead()) {
        phase_ = Phase::asking;
        ask();
    } else if (phase_ == Phase::asking &&
               (!core_.members.partner_alive() || again_.take(core_.now))) {
        ask();
    }
}

Time Joining::next() const {
    return phase_ == Phase::asking ? again_.at() : kNever;
}

// The list itself is no news, we have it in ha.cf; the answer shows that the partner hears us.
void Joining::ask() {
    if (!core_.members.partner_alive()) {
        finish();
        return;
    }
    core_.messenger.send(wire::Message("reqnodes"), core_.members.partner()->name);
    again_.set(core_.now + kAskAgain);
}

void Joining::on_reqnodes(const Node& from) {
    std::string names;
    for (const std::string& name : core_.settings.ha_cf.nodes) {
        names += name + " ";
    }
    wire::Message answer("repnodes");
    answer.set("dest", from.name).set("nodelist", names).set("delnodelist", " ");
    core_.messenger.send(std::move(answer), from.name);
}

void Joining::on_repnodes(const Node& from, const wire::Message& message) {
    const std::string list = " " + std::string(message.get("nodelist"));
    if (list.find(" " + core_.settings.node + " ") == std::string::npos) {
        core_.journal.warning("Node " + from.name + " does not know us: compare its ha.cf");
    }
    if (phase_ == Phase::asking) {
        finish();
    }
}

void Joining::finish() {
    phase_ = Phase::done;
    again_.clear();
    core_.members.communication_is_up();
    core_.on_communication_up();
}

}  // namespace hb
