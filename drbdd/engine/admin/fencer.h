// Fencing: before the data are used without the peer, the handler fence-peer makes sure that the
// peer's are not, or finds out that they are. Configuration specification, section 13.2.
#pragma once

#include "drbdd/engine/core.h"

#include <string>

namespace engine {

class Volumes;

class Fencer {
public:
    Fencer(Core& core, const Volumes& volumes) : core_(core), volumes_(volumes) {}

    // The connection was lost. A Primary goes on writing while the handler runs, or is frozen.
    void on_peer_lost() { peer_lost_ = true; }

    // Starts the handler; running() until on_done().
    void call();

    bool running() const { return running_; }

    // What the exit code says about the peer enters the state of every volume, unless the
    // connection came back in the meantime.
    void on_done(int exit_code);

    // A resync that we were the source of is over.
    void on_peer_in_sync();

    // A promotion that is forced though the peer could not be fenced.
    void assume_outdated();

    void advance();

private:
    void set_peer_disk(DiskState pdsk);
    void peer_is_dead();
    void outdate_ourselves();

    void log(base::LogLevel level, const std::string& text) const { core_.log(level, text); }

    Core& core_;
    const Volumes& volumes_;
    bool peer_lost_ = false;
    bool running_ = false;
};

}  // namespace engine
