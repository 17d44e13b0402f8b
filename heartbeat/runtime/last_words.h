// What is said in the name of a daemon that has died: that it may take a while, or that it has
// left. The messages carry on where its own ended, with its generation and its key.
#pragma once

#include "heartbeat/runtime/configuration.h"
#include "heartbeat/runtime/life_file.h"
#include "heartbeat/runtime/state_files.h"
#include "heartbeat/wire/message.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace hb {

class LastWords {
public:
    LastWords(const Configuration& configuration, const Life& life, const Uuid& uuid)
        : configuration_(configuration), life_(life), uuid_(uuid) {}

    // The partner is to wait for us that long from now on.
    void announce(std::chrono::milliseconds pause);
    // Nothing runs here any more: the partner need neither wait nor reset us.
    void say_goodbye();

    // As it is after the last word.
    const Life& life() const { return life_; }

    wire::Message status(std::chrono::milliseconds pause, std::int64_t wall_seconds);
    wire::Message goodbye(std::int64_t wall_seconds);

private:
    wire::Message begin(const char* type);
    void finish(wire::Message& message, std::int64_t wall_seconds);
    void send(const wire::Message& message) const;

    const Configuration& configuration_;
    Life life_;
    const Uuid uuid_;
};

}  // namespace hb
