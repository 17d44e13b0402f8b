// Whether a medium works, told to its owner once per change.
#pragma once

#include "heartbeat/runtime/medium.h"

#include <string>

namespace hb {

class LinkState {
public:
    LinkState(const Medium& medium, MediumEvents& events) : medium_(medium), events_(events) {}

    void up() {
        if (state_ != State::Up) {
            state_ = State::Up;
            events_.on_medium_up(medium_);
        }
    }

    void down(const std::string& why) {
        if (state_ != State::Down) {
            state_ = State::Down;
            events_.on_medium_down(medium_, why);
        }
    }

private:
    enum class State { Unknown, Up, Down };

    const Medium& medium_;
    MediumEvents& events_;
    State state_ = State::Unknown;
};

}  // namespace hb
