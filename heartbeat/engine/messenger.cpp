#include "heartbeat/engine/messenger.h"

#include "heartbeat/engine/core.h"
#include "heartbeat/engine/text.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kFirstRequestAfter{50};    // at least: messages overtake each other by one
constexpr std::uint64_t kMaxResent = 50;  // per request
constexpr std::uint64_t kUnackedTold = 375;
constexpr unsigned kEarlierTold = 10;  // heartbeats of an earlier generation

bool is_control(const wire::Message& message) {
    return message.type().starts_with("NS_");
}

}  // namespace

void Messenger::start() {
    ack_trigger_ = core_.prng.below(10);
    for (const Heard& heard : core_.start.heard) {
        if (Node* node = core_.members.find(heard.node); node != nullptr && !node->ping) {
            node->generation = heard.generation;
            node->sequence.floor = heard.sequence;
            node->inherited = true;
        }
    }
}

// The receiver compares our time stamps with each other: they never go back, whatever the clock.
std::uint64_t Messenger::timestamp() {
    const auto wall = core_.wall_seconds > 0 ? static_cast<std::uint64_t>(core_.wall_seconds) : 1;
    last_ts_ = std::max(last_ts_, wall);
    return last_ts_;
}

void Messenger::send(wire::Message message, std::string_view dest) {
    if (silent_) {
        return;
    }
    if (!dest.empty()) {
        message.set("dest", dest);
        const Node* node = core_.members.find(dest);
        if (node != nullptr && !node->uuid.empty()) {
            message.set_binary("destuuid", node->uuid);
        }
    }
    const bool control = is_control(message);
    message.set("src", core_.settings.node);
    message.set_binary("srcuuid",
                       std::string_view(core_.start.uuid.data(), core_.start.uuid.size()));
    if (!control) {
        message.set("seq", to_hex(++seq_));
    }
    message.set("hg", to_hex(core_.start.generation)).set("ts", to_hex(timestamp()));
    if (!control) {
        message.set("ld", "");
    }
    const config::HaCf& conf = core_.settings.ha_cf;
    message.set("ttl", std::to_string(conf.hopfudge + conf.nodes.size() + conf.pings.size()));
    if (!control) {
        history_.push_back(Sent{seq_, message, core_.now});
        if (history_.size() > kHistoryMessages) {
            history_.pop_front();
        }
    }
    core_.emit(Send{std::move(message)});
}

void Messenger::send_ping(const Node& node) {
    wire::Message message("NS_st");
    message.set("st", "ping").set("info", node.ping_group ? "ping_group" : "ping");
    message.set("src", node.name).set("ts", to_hex(timestamp()));
    // Comes back as it was sent: so the answer tells when its question was asked.
    message.set("sent", to_hex(static_cast<std::uint64_t>(core_.now.count())));
    core_.emit(SendPing{node.name, std::move(message)});
}

bool Messenger::is_for_us(const wire::Message& message) const {
    if (message.has("destuuid")) {
        return message.get("destuuid") ==
               std::string_view(core_.start.uuid.data(), core_.start.uuid.size());
    }
    const std::string_view dest = message.get("dest");
    return dest.empty() || dest == core_.settings.node;
}

void Messenger::on_received(const std::string& medium, const wire::Message& message) {
    const std::string_view src = message.get("src");
    if (src == core_.settings.node) {
        on_own_name(message);
        return;
    }
    Node* node = core_.members.find(src);
    if (node == nullptr || message.type().empty() ||
        parse_hex(message.get("ts")).value_or(0) == 0) {
        ++dropped_;
        core_.journal.debug("bad node [" + std::string(src) + "] in message, or no type or time");
        return;
    }
    if (is_control(message)) {
        // Has no number, so it may be a recording: the life of a link is shown by the others. An
        // echo tells which question it answers.
        if (on_control(*node, message)) {
            core_.members.on_heard(*node, medium, 0);
        }
    } else if (node->ping) {
        ++dropped_;  // a ping node says nothing but what we told it
    } else if (on_sequenced(*node, message)) {
        core_.members.on_heard(*node, medium, parse_hex(message.get("seq")).value_or(0));
    }
}

// Our own packets come back from some media. A greater generation cannot be ours.
void Messenger::on_own_name(const wire::Message& message) {
    const auto generation = parse_hex(message.get("hg"));
    if (is_control(message) || !generation || *generation <= core_.start.generation ||
        impostor_told_) {
        return;
    }
    impostor_told_ = true;
    core_.journal.alarm(
        AlarmKind::partition,
        "Another machine calls itself " + core_.settings.node + ": node names must be unique");
}

// True: the answer of a ping node to a question that it had not answered yet.
bool Messenger::on_control(Node& node, const wire::Message& message) {
    if (!is_for_us(message)) {
        return false;
    }
    const std::string_view type = message.type();
    if (node.ping) {
        const bool news = type == "NS_st" && message.get("st") == "ping" &&
                          core_.members.on_ping_answer(node, message);
        dropped_ += news ? 0 : 1;
        return news;
    }
    if (message.has("hg") && parse_hex(message.get("hg")).value_or(0) != node.generation) {
        ++dropped_;  // of another life
        return false;
    }
    if (type == "NS_ackmsg") {
        on_ack(node, message);
    } else if (type == "NS_rexmit") {
        on_rexmit_request(node, message);
    } else if (type == "NS_nak_rexmit") {
        on_nak(node, message);
    }
    return false;
}

// True: it is of the node's present life, and may have come over another link before.
bool Messenger::on_sequenced(Node& node, const wire::Message& message) {
    const auto seq = parse_hex(message.get("seq"));
    const auto generation = parse_hex(message.get("hg"));
    if (!seq || *seq == 0 || !generation || *generation == 0) {
        ++dropped_;
        return false;
    }
    if (check_generation(node, message, *seq, *generation) == Verdict::drop) {
        ++dropped_;
        return false;
    }
    const bool in_order = !node.sequence.last || *seq == *node.sequence.last + 1;
    const Verdict verdict = check_sequence(node, *seq);
    if (verdict != Verdict::take) {
        dropped_ += verdict == Verdict::drop ? 1 : 0;
        return verdict == Verdict::duplicate;
    }
    const std::string_view uuid = message.get("srcuuid");
    if (uuid.size() == 16) {
        node.uuid = uuid;
    }
    if (in_order) {
        acknowledge(node, *seq);
    }
    if (message.type() == "status") {
        if (*seq < node.sequence.status) {
            return true;  // overtaken by a later one
        }
        const bool was_dead = node.state == NodeState::dead;
        const bool healed = was_dead && node.heard && node.sequence.status != 0;
        node.sequence.status = *seq;
        core_.members.on_status(node, message);
        if (was_dead && node.state != NodeState::dead) {
            core_.on_node_returned(node, healed);
        }
        return true;
    }
    if (is_for_us(message)) {
        node.sequence.current = *seq;
        core_.deliver(node, message);
    }
    return true;
}

Messenger::Verdict Messenger::check_generation(Node& node,
                                               const wire::Message& message,
                                               std::uint64_t seq,
                                               std::uint64_t generation) {
    if (generation < node.generation) {
        core_.journal.debug("attempted replay: message of an earlier life of " + node.name);
        note_earlier_life(node, message, seq);
        return Verdict::drop;
    }
    if (generation > node.generation) {
        restarted(node, generation);
        return Verdict::take;
    }
    const bool stale_status = message.type() == "status" && seq <= node.sequence.status;
    if (node.state == NodeState::dead && (stale_status || seq <= node.sequence.floor)) {
        return Verdict::drop;
    }
    return Verdict::take;
}

// A replay repeats what was said; a node that lives counts on. It cannot be believed, since who
// recorded its old life could do the same, but a person must hear of it: it will stay outside.
void Messenger::note_earlier_life(Node& node, const wire::Message& message, std::uint64_t seq) {
    EarlierLife& earlier = node.earlier;
    const auto generation = parse_hex(message.get("hg")).value_or(0);
    if (message.type() != "status" || node.alive()) {
        return;
    }
    if (generation != earlier.generation) {
        earlier = EarlierLife{generation, seq, 0};
        return;
    }
    if (seq <= earlier.seq) {
        return;
    }
    earlier.seq = seq;
    if (++earlier.growing == kEarlierTold) {
        core_.journal.alarm(AlarmKind::partition,
                            "Node " + node.name + " speaks with generation " +
                                std::to_string(generation) + ", but has had " +
                                std::to_string(node.generation) +
                                ": it has lost its state directory, and is not heard. Restart "
                                "heartbeat here, or there with a greater hb_generation");
    }
}

void Messenger::restarted(Node& node, std::uint64_t generation) {
    const bool known = node.heard;  // else it is its first word since our start
    node.generation = generation;
    for (Link& link : node.links) {
        link.sequence = 0;
    }
    node.sequence = Sequence{};
    node.acked = 0;
    node.earlier = EarlierLife{};
    node.ours = false;
    node.inherited = false;
    if (known) {
        core_.journal.warning("Heartbeat restart on node " + node.name);
        core_.on_node_restarted(node);
    }
}

Messenger::Verdict Messenger::check_sequence(Node& node, std::uint64_t seq) {
    Sequence& sequence = node.sequence;
    if (seq <= sequence.floor) {
        return Verdict::drop;
    }
    if (!sequence.last || seq == *sequence.last + 1) {
        sequence.last = seq;
        return Verdict::take;
    }
    if (seq == *sequence.last) {
        return Verdict::duplicate;
    }
    if (seq > *sequence.last) {
        note_gap(node, seq);
        sequence.last = seq;
        return Verdict::take;
    }
    return sequence.missing.erase(seq) > 0 ? Verdict::take : Verdict::duplicate;
}

void Messenger::note_gap(Node& node, std::uint64_t seq) {
    const std::uint64_t first = *node.sequence.last + 1;
    auto& missing = node.sequence.missing;
    if (seq - first + missing.size() > kMaxMissing) {
        core_.journal.error(std::to_string(seq - first + missing.size()) + " messages of node " +
                            node.name + " are lost: too many to ask for");
        missing.clear();
        return;
    }
    const auto delay_max = core_.settings.ha_cf.max_rexmit_delay;
    for (std::uint64_t lost = first; lost < seq; ++lost) {
        Time delay = std::min(kFirstRequestAfter, delay_max);
        if (delay_max > kFirstRequestAfter) {
            const auto range = static_cast<std::uint64_t>((delay_max - kFirstRequestAfter).count());
            delay += Time{static_cast<Time::rep>(core_.prng.below(range + 1))};
        }
        missing.emplace(lost, core_.now + delay);
    }
}

void Messenger::on_time() {
    for (Node& node : core_.members.nodes()) {
        for (auto& [seq, when] : node.sequence.missing) {
            if (core_.now < when) {
                continue;
            }
            when = core_.now + core_.settings.ha_cf.max_rexmit_delay;
            wire::Message request("NS_rexmit");
            request.set("dest", node.name);
            request.set("firstseq", std::to_string(seq)).set("lastseq", std::to_string(seq));
            send(std::move(request), node.name);
        }
    }
}

Time Messenger::next() const {
    Time soonest = kNever;
    for (const Node& node : core_.members.nodes()) {
        for (const auto& [seq, when] : node.sequence.missing) {
            soonest = std::min(soonest, when);
        }
    }
    return soonest;
}

void Messenger::acknowledge(Node& node, std::uint64_t seq) {
    if (seq % 10 != ack_trigger_ || !node.sequence.missing.empty()) {
        return;
    }
    wire::Message ack("NS_ackmsg");
    ack.set("dest", node.name).set("ackseq", to_hex(seq));
    send(std::move(ack), node.name);
}

void Messenger::on_ack(Node& node, const wire::Message& message) {
    const auto acked = parse_hex(message.get("ackseq"));
    if (!acked || *acked > seq_) {
        core_.journal.error("node " + node.name + " acknowledges a message that was never sent");
        ++dropped_;
        return;
    }
    node.acked = std::max(node.acked, *acked);
    if (seq_ - node.acked == kUnackedTold) {
        core_.journal.warning("node " + node.name + " has not acknowledged " +
                              std::to_string(kUnackedTold) + " messages");
    }
}

void Messenger::on_rexmit_request(Node& node, const wire::Message& message) {
    const auto first = parse_decimal(message.get("firstseq"));
    const auto last = parse_decimal(message.get("lastseq"));
    if (!first || !last || *first == 0 || *last < *first || *last > seq_) {
        ++dropped_;
        return;
    }
    const Time pause = core_.settings.ha_cf.max_rexmit_delay - Time{10};
    const std::uint64_t end = std::min(*last, *first + kMaxResent - 1);
    for (std::uint64_t seq = *first; seq <= end; ++seq) {
        if (seq <= node.acked) {
            continue;
        }
        if (history_.empty() || seq < history_.front().seq) {
            refuse_rexmit(node, seq, "seqno too low");
            continue;
        }
        Sent& sent = history_[seq - history_.front().seq];
        if (core_.now - sent.last_sent < pause) {
            continue;
        }
        sent.last_sent = core_.now;
        if (!silent_) {
            core_.emit(Send{sent.message});
        }
    }
}

void Messenger::refuse_rexmit(const Node& node, std::uint64_t seq, std::string_view why) {
    wire::Message nak("NS_nak_rexmit");
    nak.set("dest", node.name).set("firstseq", to_hex(seq)).set("info", why);
    send(std::move(nak), node.name);
}

void Messenger::on_nak(Node& node, const wire::Message& message) {
    const auto seq = parse_hex(message.get("firstseq"));
    if (seq && node.sequence.missing.erase(*seq) > 0) {
        core_.journal.error("Irretrievably lost packet: node " + node.name + " seq " +
                            std::to_string(*seq));
    }
}

}  // namespace hb
