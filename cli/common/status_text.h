// The answers of drbdsetup status, events2, role, cstate and dstate.
// Configuration specification, sections 9.2 to 9.6.
#pragma once

#include "drbdd/control/messages.h"

#include <optional>
#include <string>

namespace cli {

struct StatusStyle {
    bool verbose = false;
    bool statistics = false;
    bool color = false;
};

// Whether --color asks for colours: "always", "auto" (only on a terminal), "never"; nothing: it is
// none of these words.
std::optional<bool> wants_color(const std::string& when);

// `status` as text: per resource one block that ends with an empty line.
std::string status_text(const control::Snapshot& snapshot, const StatusStyle& style);

// `status --json`: an array with one object per resource.
std::string status_json(const control::Snapshot& snapshot);

// One line of events2 without its newline; empty for an event that has nothing to say without
// statistics.
std::string event_text(const control::Event& event, bool statistics);

// Of one volume: "Primary/Secondary", "SyncTarget", "Inconsistent/UpToDate".
std::string role_text(const control::ResourceStatus& resource);
std::string cstate_text(const control::ResourceStatus& resource, std::uint16_t volume);
std::string dstate_text(const control::ResourceStatus& resource,
                        const control::DeviceStatus& device);

// The identifiers of an attached disk with their legend: show-gi.
std::string show_gi_text(const control::DeviceStatus& device);

}  // namespace cli
