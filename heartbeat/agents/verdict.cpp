#include "heartbeat/agents/verdict.h"

#include <cctype>
#include <string>

namespace hb {

namespace {

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

// "not", in any case, then blanks, then "running" or "Running".
bool says_not_running(std::string_view text) {
    for (std::size_t at = 0; at + 3 <= text.size(); ++at) {
        if (lower(text[at]) != 'n' || lower(text[at + 1]) != 'o' || lower(text[at + 2]) != 't') {
            continue;
        }
        std::size_t next = at + 3;
        while (next < text.size() && (text[next] == ' ' || text[next] == '\t')) {
            ++next;
        }
        const std::string_view rest = text.substr(next);
        if (next > at + 3 && (rest.starts_with("running") || rest.starts_with("Running"))) {
            return true;
        }
    }
    return false;
}

Verdict verdict_of_unit(std::string_view output) {
    const std::string_view word = output.substr(0, output.find('\n'));
    if (word == "active" || word == "reloading") {
        return Verdict::Running;
    }
    if (word == "inactive" || word == "failed") {
        return Verdict::Stopped;
    }
    return Verdict::Unknown;  // activating, deactivating: on its way
}

Verdict verdict_of_lsb(const ChildResult& status) {
    if (status.exit == 0) {
        return says_not_running(status.output) ? Verdict::Stopped : Verdict::Running;
    }
    return status.exit <= 3 ? Verdict::Stopped : verdict_of_text(status.output);
}

Verdict verdict_of_ocf(int exit) {
    constexpr int kSuccess = 0;
    constexpr int kOcfNotRunning = 7;
    constexpr int kRunningPromoted = 8;
    if (exit == kSuccess || exit == kRunningPromoted) {
        return Verdict::Running;
    }
    return exit == kOcfNotRunning ? Verdict::Stopped : Verdict::Unknown;
}

}  // namespace

Verdict verdict_of_text(std::string_view output) {
    if (says_not_running(output)) {
        return Verdict::Stopped;
    }
    for (const std::string_view word : {"running", "Running", "OK"}) {
        if (output.find(word) != std::string_view::npos) {
            return Verdict::Running;
        }
    }
    return Verdict::Stopped;
}

Verdict verdict_of(AgentKind kind, const ChildResult& status) {
    if (status.timed_out || status.killed || status.missing || status.exit < 0) {
        return Verdict::Unknown;
    }
    switch (kind) {
        case AgentKind::Legacy:
            return verdict_of_text(status.output);
        case AgentKind::Lsb:
            return verdict_of_lsb(status);
        case AgentKind::Systemd:
            return verdict_of_unit(status.output);
        case AgentKind::Ocf:
            return verdict_of_ocf(status.exit);
    }
    return Verdict::Unknown;
}

}  // namespace hb
