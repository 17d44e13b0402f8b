#include "heartbeat/engine/ipfail.h"

#include "heartbeat/engine/clients.h"
#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kPartnerSettles{10'000};
constexpr std::uint64_t kMaxPings = 1000;

}  // namespace

void Ipfail::start() {
    const auto& lines = core_.settings.ha_cf.respawn;
    enabled_ = !core_.legacy() && core_.members.partner() != nullptr &&
               std::any_of(lines.begin(), lines.end(), [](const config::HaRespawn& line) {
                   return program_of(line) == "ipfail";
               });
}

void Ipfail::say(wire::Message message) {
    if (!core_.members.partner_alive() || !core_.joining.done()) {
        return;
    }
    const std::string& partner = core_.members.partner()->name;
    message.set("dest", partner).set("from_id", "ipfail").set("to_id", "ipfail");
    message.set("client_gen", "0");
    core_.messenger.send(std::move(message), partner);
}

void Ipfail::on_communication_up() {
    if (enabled_) {
        core_.clients.announce("ipfail", true);
    }
}

void Ipfail::compare() {
    compare_asked_ = compare_asked_ || enabled_;
}

void Ipfail::on_num_ping_nodes(const wire::Message& message) {
    const auto theirs = parse_decimal(message.get("num_ping"));
    if (!enabled_ || !theirs || *theirs > kMaxPings) {
        return;
    }
    const int ours = core_.members.pings_alive();
    const int count = static_cast<int>(*theirs);
    if (ours > count) {
        say(wire::Message("you_are_dead"));
    } else if (ours < count) {
        plan_give_up();
    } else {
        on_abort_giveup();
        say(wire::Message("abort_giveup"));
        core_.holdings.retry_failback();
    }
}

void Ipfail::plan_give_up() {
    if (!enabled_ || give_up_.is_set()) {
        return;
    }
    core_.journal.decide("The partner reaches more ping nodes: giving up the resources",
                         fact("answering_here", core_.members.pings_alive()));
    give_up_.set(core_.now + 2 * core_.settings.ha_cf.keepalive);
}

void Ipfail::on_abort_giveup() {
    if (give_up_.is_set() || wait_for_partner_) {
        core_.journal.info("ipfail: the give-up is cancelled");
    }
    give_up_.clear();
    compare_again_.clear();
    wait_for_partner_ = false;
}

void Ipfail::give_up() {
    if (core_.holdings.hold() == Hold::none) {
        return;
    }
    const std::string refused = core_.standby.give(Hold::all);
    if (!refused.empty() && core_.members.partner_alive()) {
        core_.journal.info("ipfail: not yet: " + refused);
        wait_for_partner_ = true;
        compare_again_.set(core_.now + kPartnerSettles);
    }
}

void Ipfail::on_partner_stable() {
    if (wait_for_partner_) {
        wait_for_partner_ = false;
        compare_again_.set(core_.now + kPartnerSettles);
    }
}

void Ipfail::on_partner_gone() {
    on_abort_giveup();
}

void Ipfail::on_time() {
    if (give_up_.take(core_.now)) {
        give_up();
    }
    if (compare_again_.take(core_.now)) {
        compare();
    }
    if (compare_asked_) {
        compare_asked_ = false;
        wire::Message message("num_ping_nodes");
        message.set("num_ping", std::to_string(core_.members.pings_alive()));
        say(std::move(message));
    }
}

Time Ipfail::next() const {
    return compare_asked_ ? core_.now : std::min(give_up_.at(), compare_again_.at());
}

}  // namespace hb
