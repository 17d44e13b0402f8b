// The root of the engine: it owns the volumes, the connection and the administrator's commands, and
// hands each event to the one that it is for.
#pragma once

#include "drbdd/engine/admin/commands.h"
#include "drbdd/engine/admin/fencer.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/status.h"
#include "drbdd/engine/volume/volumes.h"

#include <cstdint>

namespace engine {

class Resource {
public:
    Resource(ResourceSettings settings,
             io::BufferPool& pool,
             base::LogSink& log,
             io::Challenges& challenges,
             std::uint64_t seed);

    void step(io::Instant now, Event event, Effects& effects);
    io::Instant next_deadline() const;
    ResourceStatus status(io::Instant now) const;

    const Volumes& volumes() const { return volumes_; }

    std::uint64_t last_step_work() const { return core_.work.done; }

private:
    void dispatch(Event event);
    void on_handler_done(const HandlerDone& done);
    void advance_fencer();

    Core core_;
    Volumes volumes_;
    Connection connection_;
    Fencer fencer_;
    Commands commands_;
};

}  // namespace engine
