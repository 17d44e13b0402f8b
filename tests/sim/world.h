// The simulated world: virtual time, one seeded source of chance, an event queue with a fixed
// order, and a trace of everything that happens. Nothing here or above asks a real clock, so a seed
// is a run: replaying it gives the same trace, and the trace's hash proves it.
#pragma once

#include "base/log.h"
#include "base/prng.h"
#include "drbdd/io/time.h"
#include "tests/sim/coverage.h"

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace sim {

enum class Node : std::uint8_t { Alice = 0, Bob = 1 };

inline constexpr Node kNodes[] = {Node::Alice, Node::Bob};

inline std::size_t index(Node node) {
    return static_cast<std::size_t>(node);
}

inline Node other(Node node) {
    return node == Node::Alice ? Node::Bob : Node::Alice;
}

inline const char* name(Node node) {
    return node == Node::Alice ? "alice" : "bob";
}

// Keeps the last lines for people and a hash of all of them for the comparison of two runs.
class Trace {
public:
    // `what` is a literal: entries are formatted only when they are printed.
    void add(io::Instant now,
             Node node,
             const char* what,
             std::uint64_t a = 0,
             std::uint64_t b = 0,
             std::uint64_t c = 0,
             std::uint64_t d = 0);
    void text(io::Instant now, Node node, std::string_view line);

    std::uint64_t hash() const { return hash_; }

    std::uint64_t size() const { return count_; }

    std::string last(std::size_t lines) const;

    // Every line goes to standard error as it comes.
    void set_verbose(bool verbose) { verbose_ = verbose; }

private:
    struct Entry {
        io::Instant now;
        Node node;
        const char* what;  // nullptr: `line` is set
        std::uint64_t values[4];
        std::string line;
    };

    static std::string format(const Entry& entry);
    void mix(std::uint64_t value);
    void keep(Entry entry);

    static constexpr std::size_t kKept = 2000;
    std::deque<Entry> entries_;
    std::uint64_t hash_ = 0xcbf29ce484222325ull;
    std::uint64_t count_ = 0;
    bool verbose_ = std::getenv("DRBDD_SIM_VERBOSE") != nullptr;  // for named scenarios
};

class World {
public:
    using EventId = std::pair<io::Instant, std::uint64_t>;

    explicit World(std::uint64_t seed) : prng(seed) {}

    io::Instant now() const { return now_; }

    // Events of the same instant run in the order of their scheduling.
    EventId at(io::Instant when, std::function<void()> what);

    EventId after(io::Duration delay, std::function<void()> what) {
        return at(now_ + delay, std::move(what));
    }

    void cancel(EventId id) { queue_.erase(id); }

    bool has_event_until(io::Instant limit) const;
    void run_next();

    // Lets time pass without an event; there must be none before `when`.
    void advance_to(io::Instant when);

    io::Duration between(io::Duration low, io::Duration high);

    // The first broken promise ends the run: what follows from it is noise.
    void fail(std::string what);

    bool failed() const { return !violation_.empty(); }

    const std::string& violation() const { return violation_; }

    base::Prng prng;
    Trace trace;
    Coverage coverage;

private:
    io::Instant now_{0};
    std::uint64_t next_number_ = 0;
    std::map<EventId, std::function<void()>> queue_;
    std::string violation_;
};

}  // namespace sim
