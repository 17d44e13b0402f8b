// What a person is told: log lines, alarms, and the log of decisions with their facts.
#pragma once

#include "heartbeat/engine/effects.h"
#include "heartbeat/engine/status.h"

#include <deque>
#include <string>

namespace hb {

struct Core;

inline constexpr std::size_t kJournalEntries = 100;  // alarms and decisions that are kept

std::string_view name_of(AlarmKind kind);

class Journal {
public:
    explicit Journal(Core& core) : core_(core) {}

    void debug(std::string text) { log(Severity::debug, std::move(text)); }

    void info(std::string text) { log(Severity::info, std::move(text)); }

    void warning(std::string text) { log(Severity::warning, std::move(text)); }

    void error(std::string text) { log(Severity::error, std::move(text)); }

    void critical(std::string text) { log(Severity::critical, std::move(text)); }

    // Is logged, too. The same alarm again within ten minutes is only a line in the log.
    void alarm(AlarmKind kind, const std::string& text);
    // The partner is back: what is told of its next death is no repetition.
    void partner_returned();
    void decide(const std::string& text, const std::string& facts);

    const std::deque<DecisionEntry>& decisions() const { return decisions_; }

    const std::deque<AlarmEntry>& alarms() const { return alarms_; }

private:
    void log(Severity severity, std::string text);

    Core& core_;
    std::deque<DecisionEntry> decisions_;
    std::deque<AlarmEntry> alarms_;
};

}  // namespace hb
