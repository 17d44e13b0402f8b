// Tells people: by mail and by commands of their own (ha_policy.cf, alarm). Never waits, and is
// bounded: a mail system that hangs must not pile up processes.
#pragma once

#include "base/log.h"
#include "config/ha/ha_policy.h"
#include "heartbeat/engine/effects.h"
#include "heartbeat/runtime/programs.h"

#include <cstdint>
#include <string>

namespace hb {

class Alarms {
public:
    Alarms(config::HaAlarms who, std::string node, Programs& programs, base::LogSink& log);

    // A command is called with the kind and the text; both and the node are in HB_ALARM_KIND,
    // HB_ALARM_TEXT and HB_ALARM_NODE as well.
    void raise(AlarmKind kind, const std::string& text);

    void set(config::HaAlarms who) { who_ = std::move(who); }

private:
    void start(Program program);

    static constexpr unsigned kMaxRunning = 16;

    config::HaAlarms who_;
    const std::string node_;
    Programs& programs_;
    base::LogSink& log_;
    unsigned running_ = 0;
};

}  // namespace hb
