#include "heartbeat/engine/journal.h"

#include "heartbeat/engine/core.h"

#include <algorithm>

namespace hb {

namespace {

constexpr Time kSameAlarmAgain{600'000};

// What is told when the partner dies, and people may have to act on.
bool is_about_a_death(const AlarmEntry& entry) {
    return entry.kind == name_of(AlarmKind::node_dead) ||
           entry.kind == name_of(AlarmKind::takeover) || entry.kind == name_of(AlarmKind::fencing);
}

template <typename T>
void keep(std::deque<T>& list, T entry) {
    list.push_back(std::move(entry));
    if (list.size() > kJournalEntries) {
        list.pop_front();
    }
}

}  // namespace

std::string_view name_of(AlarmKind kind) {
    switch (kind) {
        case AlarmKind::node_dead:
            return "node-dead";
        case AlarmKind::link_down:
            return "link-down";
        case AlarmKind::last_link:
            return "last-link";
        case AlarmKind::takeover:
            return "takeover";
        case AlarmKind::fencing:
            return "fencing";
        case AlarmKind::partition:
            return "partition";
        case AlarmKind::dual_claim:
            return "dual-claim";
        case AlarmKind::duplicate_address:
            return "duplicate-address";
        case AlarmKind::resource:
            return "resource";
        case AlarmKind::service:
            return "service";
        case AlarmKind::stall:
            return "stall";
    }
    return "unknown";
}

void Journal::log(Severity severity, std::string text) {
    core_.emit(Log{severity, std::move(text)});
}

void Journal::alarm(AlarmKind kind, const std::string& text) {
    log(Severity::warning, text);
    const bool repeated = std::any_of(alarms_.begin(), alarms_.end(), [&](const AlarmEntry& entry) {
        return entry.text == text && !entry.over && core_.now - entry.at < kSameAlarmAgain;
    });
    if (repeated) {
        return;
    }
    core_.emit(Alarm{kind, text});
    keep(alarms_, AlarmEntry{core_.now, core_.wall_seconds, std::string(name_of(kind)), text});
}

void Journal::partner_returned() {
    for (AlarmEntry& entry : alarms_) {
        entry.over = entry.over || is_about_a_death(entry);
    }
}

void Journal::decide(const std::string& text, const std::string& facts) {
    log(Severity::info, text);
    core_.emit(Decision{text, facts});
    keep(decisions_, DecisionEntry{core_.now, core_.wall_seconds, text, facts});
}

}  // namespace hb
