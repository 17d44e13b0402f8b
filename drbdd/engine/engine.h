// The replication engine of one resource: a pure state machine. step() is the only way in; no
// thread, clock, file, socket, lock or random source inside. The runtime and the simulator each
// turn effects into deeds and deeds into events.
#pragma once

#include "base/log.h"
#include "drbdd/engine/effects.h"
#include "drbdd/engine/events.h"
#include "drbdd/engine/settings.h"
#include "drbdd/engine/status.h"
#include "drbdd/io/buffer.h"
#include "drbdd/io/challenges.h"
#include "drbdd/io/time.h"

#include <cstdint>
#include <memory>

namespace engine {

class Resource;

class Engine {
public:
    // `pool`, `log` and `challenges` outlive the engine. `seed` feeds uuids and randomised delays.
    Engine(ResourceSettings settings,
           io::BufferPool& pool,
           base::LogSink& log,
           io::Challenges& challenges,
           std::uint64_t seed);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Handles one event at time `now` (never going back) and appends what is to be done to
    // `effects`. Whatever is due at `now` is done: afterwards next_deadline() lies in the future,
    // or whoever waits for it would spin. The simulator checks that, and last_step_work(), after
    // every step.
    void step(io::Instant now, Event event, Effects& effects);

    // When step(Tick) is wanted at the latest; io::kNever if nothing is pending.
    io::Instant next_deadline() const;

    ResourceStatus status(io::Instant now) const;

    // The current bitmap of a volume, for tests and dumps: true if the block differs or may differ.
    bool is_out_of_sync(VolumeNumber volume, std::uint64_t bit) const;
    // True if the 4 MiB extent is in the active set of the activity log.
    bool is_al_active(VolumeNumber volume, std::uint32_t al_extent) const;
    // What the last step has cost, in passes of loops over things that may be many.
    std::uint64_t last_step_work() const;

private:
    std::unique_ptr<Resource> resource_;
};

}  // namespace engine
