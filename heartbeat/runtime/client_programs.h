// The programs of `respawn` and `failfast`. Heartbeat specification 3.11: started as their user by
// a shell, in a process group of their own; they end with us. When to start one again is decided by
// the engine.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "config/ha/ha_cf.h"
#include "heartbeat/runtime/programs.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hb {

class ClientPrograms {
public:
    // A signal is 128 + its number; 127: it could not be started.
    using Callback = std::function<void(std::size_t respawn, int code)>;

    ClientPrograms(std::vector<config::HaRespawn> respawn,
                   Programs& programs,
                   Callback exited,
                   base::LogSink& log);

    void start(std::size_t index);
    // SIGTERM in reverse order, SIGKILL when they do not heed it.
    void stop_all();
    // Those that have been told to stop end unheard: a new life of the daemon starts its own.
    void forget();
    // Of a client that is known by the name of its program.
    bool online(const std::string& name) const;

private:
    const std::vector<config::HaRespawn> respawn_;
    Programs& programs_;
    Callback exited_;
    base::LogSink& log_;
    std::map<std::size_t, JobId> running_;
    unsigned life_ = 0;
};

// What runs `command` as `user`, or why it cannot.
base::Result<std::vector<std::string>> client_argv(const config::HaRespawn& respawn);

// "/usr/lib/heartbeat/ipfail -d" -> "ipfail"
std::string client_name(const std::string& command);

}  // namespace hb
