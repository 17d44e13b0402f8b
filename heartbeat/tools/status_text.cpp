#include "heartbeat/tools/status_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace hb::tools {

namespace {

using control::Entry;
using control::GroupStatus;
using control::MediumStatus;
using control::MonitorStatus;
using control::NodeStatus;
using control::Status;

constexpr std::size_t kShownAlarms = 5;

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size() + 1, width), ' ');
    return text;
}

std::string without_trailing_blanks(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

std::string holding(const std::string& hold) {
    return hold.empty() ? "" : "holds " + hold;
}

std::string header(const Status& status) {
    std::string text = status.node + ": " + status.status;
    if (status.resources == "transition") {
        text += ", resources in transition";
    } else if (!status.resources.empty()) {
        text += ", " + holding(status.resources);
    }
    text += status.shutting_down ? ", shutting down" : "";
    text += "  (heartbeat " + status.version + ", pid " + std::to_string(status.pid) + ", up " +
            duration_text(status.uptime_ms) + ", generation " + std::to_string(status.generation) +
            ")\n";
    if (!status.pending.empty()) {
        text += "waiting: " + status.pending + "\n";
    }
    return text;
}

// Of itself a node hears nothing: what it says about its own links is no news.
std::string node_text(const NodeStatus& node, bool own) {
    std::string facts = own ? "this node" : "";
    if (!own && node.status == "dead") {
        facts = "silent for " + duration_text(node.silence_ms);
    } else if (!own) {
        facts = "heard " + duration_text(node.silence_ms) + " ago";
        facts += node.deadtime_ms > 0 ? ", dead after " + duration_text(node.deadtime_ms) : "";
    }
    if (node.ping) {
        facts = "ping node, " + facts;
    } else if (!own && !node.stable && node.status != "dead") {
        facts += ", resources not stable";
    }
    std::string text = "  " + padded(node.name, 20) + padded(node.status, 8) +
                       padded(node.ping ? "" : holding(node.hold), 15) + facts + "\n";
    for (const control::LinkStatus& link : node.links) {
        if (!own && !node.ping) {
            text += "    " + padded(link.name, 18) + (link.up ? "up" : "DEAD") + "\n";
        }
    }
    return text;
}

std::string nodes_text(const Status& status) {
    std::string text = "\nNodes and the links on which they are heard\n";
    for (const NodeStatus& node : status.nodes) {
        text += node_text(node, node.name == status.node);
    }
    return text;
}

std::string media_text(const std::vector<MediumStatus>& media) {
    std::string text = media.empty() ? "" : "\nHeartbeat paths of this node\n";
    for (const MediumStatus& medium : media) {
        text += "  " + padded(medium.name, 20) + padded(medium.kind, 8) +
                (medium.up ? "open" : "DOWN: " + medium.why) + "\n";
    }
    return text;
}

std::string groups_text(const std::vector<GroupStatus>& groups) {
    std::string text = groups.empty() ? "" : "\nResource groups on this node\n";
    for (const GroupStatus& group : groups) {
        text += "  " + padded(group.key, 40) + group.state + "  (home " + group.home + ")" +
                (group.reason.empty() ? "" : ": " + group.reason) + "\n";
        for (const control::ResourceStatus& resource : group.resources) {
            text += "    " + padded(resource.text, 38) + resource.state + "\n";
        }
    }
    return text;
}

std::string monitors_text(const std::vector<MonitorStatus>& monitors) {
    std::string text = monitors.empty() ? "" : "\nMonitored services\n";
    for (const MonitorStatus& monitor : monitors) {
        std::string line = "  " + padded(monitor.name, 40);
        line += !monitor.running ? "not watched" : monitor.ok ? "ok" : "FAILED";
        line += monitor.failures > 0 ? ", failures " + std::to_string(monitor.failures) : "";
        line += monitor.running && !monitor.ok && !monitor.text.empty() ? ": " + monitor.text : "";
        text += line + "\n";
    }
    return text;
}

std::string indented(const std::string& lines) {
    std::string text;
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        text += "  " + lines.substr(at, end - at) + "\n";
        at = end + 1;
    }
    return text;
}

std::string counters_text(const Status& status) {
    std::string text;
    for (const auto& [name, count] : status.counters) {
        if (count > 0) {
            text += (text.empty() ? "\nCounters: " : ", ") + name + " " + std::to_string(count);
        }
    }
    return text.empty() ? "" : text + "\n";
}

}  // namespace

std::string duration_text(std::uint64_t ms) {
    if (ms < 1000) {
        return std::to_string(ms) + " ms";
    }
    const std::uint64_t seconds = ms / 1000;
    if (seconds < 60) {
        const std::uint64_t tenths = ms % 1000 / 100;
        return std::to_string(seconds) + (tenths > 0 ? "." + std::to_string(tenths) : "") + " s";
    }
    const std::uint64_t minutes = seconds / 60;
    if (minutes < 60) {
        return std::to_string(minutes) + " min";
    }
    if (minutes < 24 * 60) {
        return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
    }
    return std::to_string(minutes / 1440) + " d " + std::to_string(minutes / 60 % 24) + " h";
}

std::string entry_text(const Entry& entry) {
    const std::time_t time = static_cast<std::time_t>(entry.wall_seconds);
    std::tm local{};
    std::array<char, 32> stamp{};
    if (::localtime_r(&time, &local) != nullptr) {
        (void)std::strftime(stamp.data(), stamp.size(), "%Y-%m-%d %H:%M:%S", &local);
    }
    std::string text = std::string(stamp.data()) + "  " +
                       (entry.kind.empty() ? "" : "ALARM " + entry.kind + ": ") + entry.text + "\n";
    if (!entry.facts.empty()) {
        text += "    because " + entry.facts + "\n";
    }
    return text;
}

std::string log_text(const Status& status) {
    std::vector<Entry> entries = status.decisions;
    entries.insert(entries.end(), status.alarms.begin(), status.alarms.end());
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return a.wall_seconds < b.wall_seconds;
    });
    std::string text;
    for (const Entry& entry : entries) {
        text += entry_text(entry);
    }
    return text;
}

std::string status_text(const Status& status) {
    std::string text = header(status) + nodes_text(status) + media_text(status.media) +
                       groups_text(status.groups) + monitors_text(status.monitors);
    if (!status.decisions.empty()) {
        text += "\nThe last decision (hb_status --log shows all)\n" +
                indented(entry_text(status.decisions.back()));
    }
    if (!status.alarms.empty()) {
        text += "\nThe last alarms\n";
        const std::size_t first =
            status.alarms.size() - std::min(kShownAlarms, status.alarms.size());
        for (std::size_t i = first; i < status.alarms.size(); ++i) {
            text += indented(entry_text(status.alarms[i]));
        }
    }
    text += counters_text(status);
    std::string clean;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        clean += without_trailing_blanks(text.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    return clean;
}

}  // namespace hb::tools
