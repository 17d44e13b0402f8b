// The heart of the failover daemon: membership, messaging, resources and takeover as a pure,
// deterministic state machine. step() is the only way in; no thread, clock, file, socket, lock or
// random source inside. It speaks with a real Heartbeat 3.0.6 in haresources mode.
#pragma once

#include "heartbeat/engine/effects.h"
#include "heartbeat/engine/events.h"
#include "heartbeat/engine/settings.h"
#include "heartbeat/engine/status.h"

#include <memory>
#include <optional>

namespace hb {

struct Core;

class Engine {
public:
    Engine(Settings settings, Start start);
    ~Engine();
    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Handles one event and appends what is to be done. `event.now` never goes back. Nothing comes
    // out any more after Restart, Exit or Reboot.
    void step(const Event& event, Effects& effects);

    // When the next Tick is wanted at the latest; none before Started and after the end.
    std::optional<Time> next_wakeup() const;

    Snapshot status() const;
    Vitals vitals() const;

    // haresources as it is in force; one that was read anew may have to wait.
    const config::Haresources& resources() const;

private:
    std::unique_ptr<Core> core_;
};

}  // namespace hb
