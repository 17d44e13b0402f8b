#include "heartbeat/engine/legacy.h"

#include "heartbeat/engine/core.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kAskHolderAgain{10'000};

}  // namespace

void Legacy::on_communication_up() {
    if (!core_.legacy() || !core_.members.partner_alive()) {
        return;  // alone: the takeover of the dead partner takes ours, too
    }
    for (const std::size_t index : core_.groups.indexes(Hold::local)) {
        ask(index);
    }
}

void Legacy::ask(std::size_t group) {
    wire::Message request("ip-request");
    request.set("ipaddr", core_.groups.all()[group].key());
    core_.messenger.send(std::move(request));
    asked_[group] = core_.now + kAskHolderAgain;
}

void Legacy::on_time() {
    for (auto& [group, again] : asked_) {
        if (core_.now >= again) {
            ask(group);
        }
    }
}

Time Legacy::next() const {
    Time soonest = kNever;
    for (const auto& [group, again] : asked_) {
        soonest = std::min(soonest, again);
    }
    return soonest;
}

void Legacy::on_request(const Node& from, const wire::Message& message) {
    const std::string key(message.get("ipaddr"));
    const auto group = core_.groups.find(key);
    if (!core_.legacy() || !group || core_.shutdown.running()) {
        return;
    }
    if (!core_.groups.all()[*group].wanted) {
        respond(key, false);
        return;
    }
    core_.journal.decide("Giving group " + key + " to " + from.name + ", which asks for it", {});
    core_.emit(RunRcScript{"local_giveip", {{"HA_ipaddr", key}, {"HA_src", from.name}}});
    core_.groups.give(Purpose::legacy_give, {*group});
}

void Legacy::on_given(const BatchResult& result) {
    for (const std::size_t index : result.groups) {
        respond(core_.groups.all()[index].key(), true);
    }
    core_.holdings.release(Hold::foreign);
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
    const auto group = core_.groups.find(message.get("ipaddr"));
    if (!core_.legacy() || !group || message.get("ok") != "OK" || asked_.erase(*group) == 0) {
        return;  // nothing that we asked for
    }
    core_.holdings.claim(Hold::local);
    core_.groups.take(Purpose::legacy_take, {*group});
}

}  // namespace hb
