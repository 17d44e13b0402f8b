// A moment in the future that somebody waits for, or none.
#pragma once

#include "heartbeat/engine/events.h"

namespace hb {

inline constexpr Time kNever = Time::max();

class Timer {
public:
    void set(Time at) { at_ = at; }

    void clear() { at_ = kNever; }

    bool is_set() const { return at_ != kNever; }

    Time at() const { return at_; }

    // True once the moment has come; it is then forgotten.
    bool take(Time now) {
        if (now < at_) {
            return false;
        }
        at_ = kNever;
        return true;
    }

private:
    Time at_ = kNever;
};

}  // namespace hb
