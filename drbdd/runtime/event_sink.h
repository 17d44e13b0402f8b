// Where the parts of the runtime put what happened: one queue per resource, drained into
// Engine::step() by the resource's thread. May be called from anywhere on that thread, also from
// inside a call that the engine's effects led to: nothing is stepped before that call has returned.
#pragma once

#include "drbdd/engine/events.h"

namespace runtime {

class EventSink {
public:
    virtual ~EventSink() = default;
    virtual void on_event(engine::Event event) = 0;
};

}  // namespace runtime
