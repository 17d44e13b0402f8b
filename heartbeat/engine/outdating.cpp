#include "heartbeat/engine/outdating.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kLimit{60'000};
constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxAnswering = 100;

// Exit codes of DRBD's fence-peer handler.
constexpr int kInconsistent = 3;
constexpr int kOutdated = 4;
constexpr int kUnreachable = 5;
constexpr int kPrimary = 6;
constexpr int kUndefined = 20;
constexpr int kAlreadyAsked = 21;

int handler_exit(int drbdadm_exit) {
    switch (drbdadm_exit) {
        case 0:
            return kOutdated;
        case 5:
            return kInconsistent;
        case 17:
            return kPrimary;
        default:
            return kUndefined;
    }
}

// It becomes an argument of drbdadm.
bool is_resource_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name.front() != '-' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.' || c == '+';
           });
}

}  // namespace

void Outdating::say(wire::Message message) {
    const std::string& partner = core_.members.partner()->name;
    message.set("dest", partner).set("from_id", "dopd").set("to_id", "dopd").set("client_gen", "0");
    core_.messenger.send(std::move(message), partner);
}

void Outdating::on_request(const OutdateRequest& request) {
    const Node* partner = core_.members.partner();
    const bool known =
        partner != nullptr &&
        (request.peer.empty() || config::fold_node_name(request.peer) == partner->name);
    if (pending_.count(request.resource) > 0) {
        core_.emit(OutdateAnswer{request.id, kAlreadyAsked});
        return;
    }
    const bool hopeless = known && !partner->alive() && !awaited(*partner);
    if (!known || hopeless || !is_resource_name(request.resource)) {
        core_.emit(OutdateAnswer{request.id, kUnreachable});
        return;
    }
    pending_[request.resource] = Pending{request.id, core_.now + kLimit, partner->alive()};
    if (partner->alive()) {
        ask(request.resource);
    }
}

// We have just started: it may live, and will be asked as soon as it is heard.
bool Outdating::awaited(const Node& partner) {
    return !partner.heard && partner.state != NodeState::dead;
}

void Outdating::ask(const std::string& resource) {
    wire::Message message("start_outdate");
    message.set("dop_res", resource);
    say(std::move(message));
}

// Its daemon has forgotten the question, but its disk may be good, and be promoted: "unreachable"
// would let ours be written to while the other is taken for current as well.
void Outdating::on_partner_restarted() {
    for (const auto& [resource, pending] : pending_) {
        ask(resource);
    }
}

void Outdating::on_start_outdate(const Node& from, const wire::Message& message) {
    const std::string resource(message.get("dop_res"));
    if (!is_resource_name(resource) || answering_.size() >= kMaxAnswering) {
        core_.messenger.count_dropped();
        return;
    }
    core_.journal.decide("Node " + from.name + " wants our copy of " + resource + " outdated", {});
    const JobId job = core_.new_job();
    answering_[job] = resource;
    core_.emit(RunOutdate{job, resource});
}

void Outdating::on_done(const OutdateDone& done) {
    const auto found = answering_.find(done.job);
    if (found == answering_.end()) {
        return;
    }
    wire::Message message("outdate_rc");
    message.set("dop_value", std::to_string(handler_exit(done.exit_code)));
    message.set("dop_res", found->second);
    answering_.erase(found);
    if (core_.members.partner() != nullptr) {
        say(std::move(message));
    }
}

void Outdating::on_outdate_rc(const wire::Message& message) {
    const auto found = pending_.find(std::string(message.get("dop_res")));
    const auto value = parse_decimal(message.get("dop_value"));
    if (found == pending_.end()) {
        return;
    }
    const int code = value && *value <= 255 ? static_cast<int>(*value) : kUndefined;
    core_.emit(OutdateAnswer{found->second.id, code});
    pending_.erase(found);
}

void Outdating::on_partner_gone() {
    for (const auto& [resource, pending] : pending_) {
        core_.emit(OutdateAnswer{pending.id, kUnreachable});
    }
    pending_.clear();
}

void Outdating::on_time() {
    for (auto& [resource, pending] : pending_) {
        if (!pending.asked && core_.members.partner_alive()) {
            pending.asked = true;
            ask(resource);
        }
    }
    for (auto it = pending_.begin(); it != pending_.end();) {
        if (core_.now < it->second.until) {
            ++it;
            continue;
        }
        core_.emit(OutdateAnswer{it->second.id, kUnreachable});
        it = pending_.erase(it);
    }
}

Time Outdating::next() const {
    Time soonest = kNever;
    for (const auto& [resource, pending] : pending_) {
        soonest = std::min(soonest, pending.until);
    }
    return soonest;
}

}  // namespace hb
