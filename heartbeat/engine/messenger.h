// Reliable messaging over unreliable media: numbers, duplicates, gaps, retransmission,
// acknowledgements. Heartbeat specification, sections 2.5 and 2.7.
#pragma once

#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <cstdint>
#include <deque>
#include <string>

namespace hb {

struct Core;

inline constexpr std::size_t kHistoryMessages = 500;
inline constexpr std::size_t kMaxMissing = 250;  // a larger gap is given up

class Messenger {
public:
    explicit Messenger(Core& core) : core_(core) {}

    void start();
    void on_time();
    Time next() const;

    // Adds who, when and which number. `dest` empty: for all.
    void send(wire::Message message, std::string_view dest = {});
    // The echo request to a ping node.
    void send_ping(const Node& node);
    void on_received(const std::string& medium, const wire::Message& message);

    // A node that has stood still must not be heard before it has a new generation: the partner
    // would take it for a healed partition.
    void be_silent() { silent_ = true; }

    void count_dropped() { ++dropped_; }

    std::uint64_t dropped() const { return dropped_; }

    std::uint64_t last_sent() const { return seq_; }

private:
    struct Sent {
        std::uint64_t seq = 0;
        wire::Message message;
        Time last_sent{};
    };

    enum class Verdict { take, drop, duplicate };

    bool is_for_us(const wire::Message& message) const;
    bool on_control(Node& node, const wire::Message& message);
    bool on_sequenced(Node& node, const wire::Message& message);
    void on_own_name(const wire::Message& message);
    Verdict check_generation(Node& node,
                             const wire::Message& message,
                             std::uint64_t seq,
                             std::uint64_t generation);
    Verdict check_sequence(Node& node, std::uint64_t seq);
    void note_gap(Node& node, std::uint64_t seq);
    void restarted(Node& node, std::uint64_t generation);
    void acknowledge(Node& node, std::uint64_t seq);
    void on_ack(Node& node, const wire::Message& message);
    void on_rexmit_request(Node& node, const wire::Message& message);
    void on_nak(Node& node, const wire::Message& message);
    void refuse_rexmit(const Node& node, std::uint64_t seq, std::string_view why);
    void note_earlier_life(Node& node, const wire::Message& message, std::uint64_t seq);
    std::uint64_t timestamp();

    Core& core_;
    std::uint64_t seq_ = 0;
    std::uint64_t last_ts_ = 0;
    std::uint64_t ack_trigger_ = 0;
    std::uint64_t dropped_ = 0;
    std::deque<Sent> history_;
    bool silent_ = false;
    bool impostor_told_ = false;
};

}  // namespace hb
