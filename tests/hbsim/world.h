// The simulated world: virtual time, one seeded source of chance, an event queue with a fixed order
// and a trace. Nothing here or above asks a real clock, so a seed is a run.
#pragma once

#include "base/prng.h"
#include "heartbeat/engine/events.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace hbsim {

using hb::Time;
using namespace std::chrono_literals;

enum class Node : std::uint8_t { A = 0, B = 1 };

inline constexpr Node kNodes[] = {Node::A, Node::B};

inline std::size_t index(Node node) {
    return static_cast<std::size_t>(node);
}

inline Node other(Node node) {
    return node == Node::A ? Node::B : Node::A;
}

inline const char* name(Node node) {
    return node == Node::A ? "node-a" : "node-b";
}

class World {
public:
    using EventId = std::pair<Time, std::uint64_t>;

    explicit World(std::uint64_t seed) : prng(seed) {}

    Time now() const { return now_; }

    // Events of the same instant run in the order of their scheduling.
    EventId at(Time when, std::function<void()> what);

    EventId after(Time delay, std::function<void()> what) {
        return at(now_ + delay, std::move(what));
    }

    void cancel(EventId id) { queue_.erase(id); }

    void run_for(Time duration);
    // False: the time was up first.
    bool run_until(const std::function<bool()>& condition, Time limit);

    Time between(Time low, Time high);

    // The first broken promise is the one that counts: what follows from it is noise.
    void fail(const std::string& what);

    const std::string& violation() const { return violation_; }

    void trace(std::string_view who, std::string_view what);
    std::string trace_end(std::size_t lines) const;

    void set_verbose(bool verbose) { verbose_ = verbose; }

    std::uint64_t trace_hash() const { return hash_; }

    std::uint64_t events() const { return events_; }

    base::Prng prng;

private:
    static constexpr std::size_t kKeptLines = 400;

    Time now_{0};
    std::uint64_t next_number_ = 0;
    std::uint64_t events_ = 0;
    std::map<EventId, std::function<void()>> queue_;
    std::string violation_;
    std::deque<std::string> lines_;
    std::uint64_t hash_ = 0xcbf29ce484222325ull;
    bool verbose_ = false;
};

}  // namespace hbsim
