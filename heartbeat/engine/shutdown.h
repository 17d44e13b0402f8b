// The orderly end: everything stopped, the partner told, the process gone or replaced. Bounded: a
// transition that does not end is not waited for. Heartbeat specification, sections 3.5 and 3.8.
#pragma once

#include "heartbeat/engine/hold.h"
#include "heartbeat/engine/node.h"

#include <optional>

namespace hb {

struct Core;

class Shutdown {
public:
    explicit Shutdown(Core& core) : core_(core) {}

    void on_time();

    Time next() const { return timer_.at(); }

    void begin(std::optional<CommandId> command);
    void begin_restart();  // after a partition or a stall: release, then a new life
    void keep_and_restart(CommandId command);  // the resources go on running
    void on_released();

    // From the first request on.
    bool requested() const { return step_ != Step::none; }

    // Resources are being given up, or have been.
    bool running() const { return step_ != Step::none && step_ != Step::delayed; }

    // How long agents that are at work are waited for.
    Time patience() const;

private:
    enum class Step { none, delayed, releasing, leaving, stopping_clients };

    std::string refusal_to_restart() const;
    bool can_release() const;
    void release();

    Core& core_;
    Step step_ = Step::none;
    bool restart_ = false;
    std::optional<CommandId> command_;
    Timer timer_;
    Time requested_at_{};
};

}  // namespace hb
