#include "tests/hbsim/world.h"

#include "base/require.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace hbsim {

World::EventId World::at(Time when, std::function<void()> what) {
    const EventId id{std::max(when, now_), ++next_number_};
    queue_.emplace(id, std::move(what));
    return id;
}

void World::run_for(Time duration) {
    run_until([] { return false; }, duration);
}

bool World::run_until(const std::function<bool()>& condition, Time limit) {
    const Time end = now_ + limit;
    while (!condition()) {
        if (queue_.empty() || queue_.begin()->first.first > end || !violation_.empty()) {
            now_ = violation_.empty() ? end : now_;
            return condition();
        }
        auto next = queue_.extract(queue_.begin());
        now_ = next.key().first;
        ++events_;
        next.mapped()();
    }
    return true;
}

Time World::between(Time low, Time high) {
    REQUIRE(low <= high);
    const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
    return low + Time(static_cast<std::int64_t>(prng.below(span)));
}

void World::fail(const std::string& what) {
    if (violation_.empty()) {
        violation_ = what;
        trace("VIOLATION", what);
    }
}

void World::trace(std::string_view who, std::string_view what) {
    std::array<char, 32> time{};
    std::snprintf(time.data(),
                  time.size(),
                  "[%8lld.%03lld] ",
                  static_cast<long long>(now_.count() / 1000),
                  static_cast<long long>(now_.count() % 1000));
    std::string line = time.data() + std::string(who) + " " + std::string(what);
    for (const char c : line) {
        hash_ = (hash_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ull;
    }
    if (verbose_) {
        std::fprintf(stderr, "%s\n", line.c_str());
    }
    lines_.push_back(std::move(line));
    if (lines_.size() > kKeptLines) {
        lines_.pop_front();
    }
}

std::string World::trace_end(std::size_t lines) const {
    std::string out;
    for (std::size_t i = lines_.size() - std::min(lines, lines_.size()); i < lines_.size(); ++i) {
        out += lines_[i] + "\n";
    }
    return out;
}

}  // namespace hbsim
