#include "tests/sim/world.h"

#include "base/require.h"

#include <algorithm>
#include <cstdio>

namespace sim {

void Trace::mix(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x100000001b3ull;
    hash_ ^= hash_ >> 29;
}

void Trace::add(io::Instant now,
                Node node,
                const char* what,
                std::uint64_t a,
                std::uint64_t b,
                std::uint64_t c,
                std::uint64_t d) {
    for (const char* p = what; *p != '\0'; ++p) {
        mix(static_cast<std::uint64_t>(*p));
    }
    mix(static_cast<std::uint64_t>(now.count()));
    for (const std::uint64_t value : {static_cast<std::uint64_t>(node), a, b, c, d}) {
        mix(value);
    }
    keep({now, node, what, {a, b, c, d}, {}});
}

void Trace::text(io::Instant now, Node node, std::string_view line) {
    for (const char c : line) {
        mix(static_cast<std::uint64_t>(c));
    }
    keep({now, node, nullptr, {}, std::string(line)});
}

void Trace::keep(Entry entry) {
    ++count_;
    if (verbose_) {
        std::fprintf(stderr, "%s\n", format(entry).c_str());
    }
    entries_.push_back(std::move(entry));
    if (entries_.size() > kKept) {
        entries_.pop_front();
    }
}

std::string Trace::format(const Entry& entry) {
    const double seconds = static_cast<double>(entry.now.count()) / 1e9;
    if (entry.what == nullptr) {
        return base::format("%12.6f %-5s | %s", seconds, name(entry.node), entry.line.c_str());
    }
    return base::format("%12.6f %-5s %s %llx %llx %llx %llx",
                        seconds,
                        name(entry.node),
                        entry.what,
                        static_cast<unsigned long long>(entry.values[0]),
                        static_cast<unsigned long long>(entry.values[1]),
                        static_cast<unsigned long long>(entry.values[2]),
                        static_cast<unsigned long long>(entry.values[3]));
}

std::string Trace::last(std::size_t lines) const {
    std::string text;
    const std::size_t skip = entries_.size() - std::min(lines, entries_.size());
    for (std::size_t i = skip; i < entries_.size(); ++i) {
        text += format(entries_[i]) + "\n";
    }
    return text;
}

World::EventId World::at(io::Instant when, std::function<void()> what) {
    const EventId id{std::max(when, now_), next_number_++};
    queue_.emplace(id, std::move(what));
    return id;
}

bool World::has_event_until(io::Instant limit) const {
    return !queue_.empty() && queue_.begin()->first.first <= limit;
}

void World::run_next() {
    REQUIRE(!queue_.empty());
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().first;
    node.mapped()();
}

void World::advance_to(io::Instant when) {
    REQUIRE(queue_.empty() || queue_.begin()->first.first >= when);
    now_ = std::max(now_, when);
}

io::Duration World::between(io::Duration low, io::Duration high) {
    if (high <= low) {
        return low;
    }
    const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
    return low + io::Duration(static_cast<std::int64_t>(prng.below(span)));
}

void World::fail(std::string what) {
    if (violation_.empty()) {
        violation_ = std::move(what);
        trace.text(now_, Node::Alice, "VIOLATION: " + violation_);
    }
}

}  // namespace sim
