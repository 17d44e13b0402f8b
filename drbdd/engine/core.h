// What every part of one engine shares: the time of the current step, where effects go, memory,
// log, randomness and settings. Owned by Resource.
#pragma once

#include "base/log.h"
#include "base/prng.h"
#include "base/require.h"
#include "drbdd/engine/effects.h"
#include "drbdd/engine/settings.h"
#include "drbdd/engine/work.h"
#include "drbdd/io/buffer.h"
#include "drbdd/io/challenges.h"
#include "drbdd/io/time.h"

#include <string>

namespace engine {

struct Core {
    Core(ResourceSettings resource_settings,
         io::BufferPool& buffer_pool,
         base::LogSink& log_sink,
         io::Challenges& challenge_source,
         std::uint64_t seed)
        : settings(std::move(resource_settings)),
          pool(buffer_pool),
          sink(log_sink),
          challenges(challenge_source),
          prng(seed) {}

    ResourceSettings settings;
    io::BufferPool& pool;
    base::LogSink& sink;
    io::Challenges& challenges;
    base::Prng prng;
    io::Instant now{};
    Effects* effects = nullptr;      // set during a step
    bool progress = false;           // something happened that may let another part go on
    std::uint64_t handler_runs = 0;  // of handlers whose answer is waited for
    Work work;                       // of the current step

    template <typename T>
    void emit(T effect) {
        REQUIRE(effects != nullptr);
        effects->add(std::move(effect));
    }

    // A line about the resource's connection, with DRBD's prefix.
    void log(base::LogLevel level, const std::string& text) const {
        sink.write(level, "drbd " + settings.name + ": " + text);
    }
};

}  // namespace engine
