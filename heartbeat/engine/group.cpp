#include "heartbeat/engine/group.h"

#include <algorithm>
#include <cctype>

namespace hb {

namespace {

constexpr int kLsbUnknown = 4;
constexpr int kCannotExecute = 126;  // the shell's exit codes for a script that cannot work
constexpr int kCommandNotFound = 127;

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool is_text(std::string_view output) {
    return std::none_of(output.begin(), output.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t' && byte != 0x1b;
    });
}

// "not", blanks, "running", in any case.
bool says_not_running(std::string_view output) {
    std::string text;
    bool blank = false;
    for (const char c : output) {
        const bool space = c == ' ' || c == '\t';
        if (!space || !blank) {
            text += space ? ' ' : lower(c);
        }
        blank = space;
    }
    return text.find("not running") != std::string::npos;
}

bool says_running(std::string_view output) {
    return output.find("running") != output.npos || output.find("Running") != output.npos ||
           output.find("OK") != output.npos;
}

}  // namespace

std::string_view name_of(ResourceState state) {
    switch (state) {
        case ResourceState::stopped:
            return "stopped";
        case ResourceState::starting:
            return "starting";
        case ResourceState::running:
            return "running";
        case ResourceState::stopping:
            return "stopping";
        case ResourceState::failed:
            return "failed";
        case ResourceState::unknown:
            return "unknown";
    }
    return "unknown";
}

std::string_view name_of(AgentOperation operation) {
    switch (operation) {
        case AgentOperation::start:
            return "start";
        case AgentOperation::stop:
            return "stop";
        case AgentOperation::status:
            break;
    }
    return "status";
}

std::string_view name_of(GroupState state) {
    switch (state) {
        case GroupState::stopped:
            return "stopped";
        case GroupState::starting:
            return "starting";
        case GroupState::running:
            return "running";
        case GroupState::stopping:
            return "stopping";
        case GroupState::failed:
            return "failed";
        case GroupState::blocked:
            return "blocked";
    }
    return "blocked";
}

Group make_group(const config::ResourceGroup& config, const std::string& node) {
    Group group;
    group.config = config;
    group.local = config.node == node;
    group.resources.assign(config.words.size(), ResourceState::stopped);
    return group;
}

bool Group::all(ResourceState state_of_all) const {
    return std::all_of(
        resources.begin(), resources.end(), [&](ResourceState one) { return one == state_of_all; });
}

bool Group::any(ResourceState state_of_one) const {
    return std::find(resources.begin(), resources.end(), state_of_one) != resources.end();
}

bool Group::has_resource(std::string_view word) const {
    return std::any_of(config.words.begin(),
                       config.words.end(),
                       [word](const config::ResourceWord& each) { return each.text == word; });
}

ResourceState verdict_of_status(const AgentDone& done) {
    if (done.end != AgentEnd::exited || done.exit_code == kLsbUnknown ||
        done.exit_code == kCannotExecute || done.exit_code == kCommandNotFound ||
        !is_text(done.output)) {
        return ResourceState::unknown;
    }
    if (says_not_running(done.output)) {
        return ResourceState::stopped;
    }
    return says_running(done.output) ? ResourceState::running : ResourceState::stopped;
}

}  // namespace hb
