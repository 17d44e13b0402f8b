#include "heartbeat/runtime/flood_gate.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hb {

namespace {

constexpr std::chrono::milliseconds kWindow{1000};
constexpr unsigned kFlood = 1000;  // in a window: more than any mistake of a neighbour makes
constexpr std::chrono::milliseconds kClosed{10'000};
constexpr std::size_t kOurs = 8;  // nodes are few; a node may have several addresses
// A pair exchanges some ten datagrams in a second, and some hundreds in the worst moment.
constexpr double kPerMillisecond = 5;
constexpr double kBudget = 2000;
constexpr double kBytes = 512;  // a longer one costs more
constexpr double kWorthWaking = 100;

bool same_address(const SourceAddress& a, const SourceAddress& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

void FloodGate::expect(const SourceAddress& peer) {
    learn(peer);
}

void FloodGate::learn(const SourceAddress& from) {
    std::erase_if(ours_, [&](const SourceAddress& each) { return same_address(each, from); });
    if (ours_.size() == kOurs) {
        ours_.erase(ours_.begin());
    }
    ours_.push_back(from);
}

void FloodGate::note(const SourceAddress& from, bool good, std::size_t bytes, Time now) {
    refill(now);
    budget_ -= 1 + static_cast<double>(bytes) / kBytes;
    if (good) {
        learn(from);
        return;
    }
    if (now - window_began_ >= kWindow) {
        window_began_ = now;
        bad_ = 0;
    }
    ++bad_;
    if (bad_ >= kFlood && only_.empty() && !ours_.empty()) {
        only_ = ours_;
        closed_until_ = now + kClosed;
    }
}

const std::vector<SourceAddress>& FloodGate::only(Time now) {
    if (!only_.empty() && now >= closed_until_) {
        only_.clear();
        bad_ = 0;
        window_began_ = now;
    }
    return only_;
}

FloodGate::Time FloodGate::pause(Time now) {
    refill(now);
    if (budget_ >= 1) {
        return Time{0};
    }
    const double missing = kWorthWaking - budget_;
    return Time{static_cast<Time::rep>(std::ceil(missing / kPerMillisecond))};
}

void FloodGate::refill(Time now) {
    const Time passed = begun_ ? std::max(now - refilled_, Time{0}) : Time{0};
    budget_ =
        begun_ ? std::min(kBudget, budget_ + kPerMillisecond * static_cast<double>(passed.count()))
               : kBudget;
    refilled_ = now;
    begun_ = true;
}

}  // namespace hb
