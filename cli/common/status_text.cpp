#include "cli/common/status_text.h"

#include "meta/gi.h"

#include <cstdio>
#include <unistd.h>

namespace cli {

namespace {

using control::ConnectionStatus;
using control::DeviceStatus;
using control::PeerDeviceStatus;
using control::ResourceStatus;
using control::SyncProgress;

constexpr std::size_t kMaxColumns = 80;

std::string two_decimals(double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
}

std::string field(const std::string& name, const std::string& value) {
    return name + ":" + value;
}

std::string field(const std::string& name, std::uint64_t value) {
    return field(name, std::to_string(value));
}

// Of words that tell a state. 36 is cyan, 32 green, 31 red; a state that only passes has none.
struct Color {
    std::string_view word;
    std::string_view code;
};

constexpr Color kColors[] = {
    {"Primary", "36"},      {"UpToDate", "32"},    {"Diskless", "31"},   {"Inconsistent", "31"},
    {"Outdated", "31"},     {"StandAlone", "31"},  {"Connecting", "31"}, {"SyncTarget", "31"},
    {"PausedSyncT", "31"},  {"Attaching", ""},     {"Failed", ""},       {"Negotiating", ""},
    {"Disconnecting", ""},  {"Unconnected", ""},   {"Timeout", ""},      {"BrokenPipe", ""},
    {"NetworkFailure", ""}, {"ProtocolError", ""}, {"TearDown", ""},     {"StartingSyncS", ""},
    {"StartingSyncT", ""},  {"WFBitMapS", ""},     {"WFBitMapT", ""},    {"WFSyncUUID", ""},
};

enum class Whose { Ours, Peers };

// "role:Primary"; what is ours stands out by being bold.
std::string state_field(const std::string& name,
                        const std::string& state,
                        bool colored,
                        Whose whose = Whose::Ours) {
    std::string code;
    for (const Color& color : kColors) {
        if (colored && state == color.word) {
            const bool bold = whose == Whose::Ours || color.code.empty();
            code = bold ? "1" : "";
            code += code.empty() || color.code.empty() ? "" : ";";
            code += color.code;
        }
    }
    code = colored && state == "SyncSource" ? "31" : code;
    return field(name, code.empty() ? state : "\33[" + code + "m" + state + "\33[0m");
}

// Without what a terminal does not show.
std::size_t columns_of(const std::string& word) {
    std::size_t columns = 0;
    bool hidden = false;
    for (const char c : word) {
        hidden = hidden || c == '\33';
        columns += hidden ? 0 : 1;
        hidden = hidden && c != 'm';
    }
    return columns;
}

std::string yes_no(const std::string& name, bool value) {
    return field(name, std::string(value ? "yes" : "no"));
}

// Words on a line, which is continued at the given indent when it would become too long.
class Line {
public:
    Line(std::string& out, std::size_t indent, std::size_t continued)
        : out_(out), continued_(continued), column_(indent) {
        out_.append(indent, ' ');
    }

    ~Line() {
        if (words_ == 0) {
            out_.resize(out_.size() - column_);
        } else {
            out_ += '\n';
        }
    }

    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    void add(const std::string& word) {
        if (words_ != 0 && column_ + 1 + columns_of(word) > kMaxColumns) {
            out_ += '\n';
            out_.append(continued_, ' ');
            column_ = continued_;
        } else if (words_ != 0) {
            out_ += ' ';
            ++column_;
        }
        out_ += word;
        column_ += columns_of(word);
        ++words_;
    }

private:
    std::string& out_;
    std::size_t continued_;
    std::size_t column_;
    int words_ = 0;
};

class StatusPrinter {
public:
    explicit StatusPrinter(const StatusStyle& style) : style_(style) {}

    std::string print(const control::Snapshot& snapshot) {
        for (const ResourceStatus& resource : snapshot.resources) {
            print_resource(resource);
        }
        return std::move(out_);
    }

private:
    bool all() const { return style_.verbose && style_.statistics; }

    void print_resource(const ResourceStatus& resource) {
        {
            Line line(out_, 0, 4);
            line.add(resource.name);
            line.add(state_field("role", resource.role, style_.color));
            if (style_.verbose || resource.suspended != "no") {
                line.add(field("suspended", resource.suspended));
            }
        }
        if (all()) {
            Line(out_, 4, 4).add(field("write-ordering", resource.write_ordering));
        }
        const bool single = resource.devices.size() == 1 && resource.devices[0].volume == 0;
        for (const DeviceStatus& device : resource.devices) {
            print_device(device, single);
        }
        for (const ConnectionStatus& connection : resource.connections) {
            print_connection(connection, single);
        }
        out_ += '\n';
    }

    void print_device(const DeviceStatus& device, bool single) {
        {
            Line line(out_, 2, 6);
            if (style_.verbose || !single) {
                line.add(field("volume", device.volume));
            }
            if (style_.verbose) {
                line.add(field("minor", device.minor));
            }
            line.add(state_field("disk", device.disk, style_.color));
            if ((style_.verbose && !style_.statistics) ||
                (!style_.verbose && device.blocked != "no")) {
                line.add(field("blocked", device.blocked));
            }
        }
        if (style_.verbose && !device.held_back_by.empty()) {  // ours
            Line(out_, 6, 6).add(field("held-back-by", device.held_back_by));
        }
        if (style_.verbose && !device.frontend.empty()) {  // ours
            Line line(out_, 6, 6);
            line.add(field("frontend", device.frontend));
            if (!device.frontend_note.empty()) {
                line.add("frontend-note:\"" + device.frontend_note + "\"");
            }
        }
        if (!style_.statistics) {
            return;
        }
        Line line(out_, 6, 6);
        if (style_.verbose) {
            line.add(field("size", device.size));
        }
        line.add(field("read", device.read));
        line.add(field("written", device.written));
        if (style_.verbose) {
            line.add(field("al-writes", device.al_writes));
            line.add(field("bm-writes", device.bm_writes));
            line.add(field("upper-pending", device.upper_pending));
            line.add(field("lower-pending", device.lower_pending));
            line.add(yes_no("al-suspended", device.al_suspended));
            line.add(field("blocked", device.blocked));
        }
    }

    void print_connection(const ConnectionStatus& connection, bool single) {
        const std::string state(control::connection_word(connection.cstate));
        const bool connected = state == "Connected";
        {
            Line line(out_, 2, 6);
            line.add("peer");
            if (style_.verbose || !connected) {
                line.add(state_field("connection", state, style_.color));
            }
            if (style_.verbose || connected) {
                line.add(state_field("role", connection.peer_role, style_.color, Whose::Peers));
            }
            if (style_.verbose || connection.congested) {
                line.add(yes_no("congested", connection.congested));
            }
        }
        if (style_.verbose && !connected && !connection.last_error.empty()) {
            Line(out_, 6, 6).add("last-error:\"" + connection.last_error + "\"");
        }
        if (connected || style_.verbose || style_.statistics) {
            for (const PeerDeviceStatus& peer_device : connection.peer_devices) {
                print_peer_device(peer_device, single);
            }
        }
    }

    void print_peer_device(const PeerDeviceStatus& peer_device, bool single) {
        {
            Line line(out_, 4, 8);
            if (style_.verbose || !single) {
                line.add(field("volume", peer_device.volume));
            }
            line.add(state_field("replication",
                                 std::string(control::replication_word(peer_device.cstate)),
                                 style_.color));
            line.add(state_field("peer-disk", peer_device.peer_disk, style_.color, Whose::Peers));
            if (peer_device.sync) {
                print_progress(line, *peer_device.sync);
            }
            if (style_.verbose || peer_device.resync_suspended != "no") {
                line.add(field("resync-suspended", peer_device.resync_suspended));
            }
        }
        if (!style_.statistics) {
            return;
        }
        Line line(out_, 8, 8);
        line.add(field("received", peer_device.received));
        line.add(field("sent", peer_device.sent));
        if (style_.verbose || peer_device.out_of_sync != 0) {
            line.add(field("out-of-sync", peer_device.out_of_sync));
        }
        if (style_.verbose) {
            line.add(field("pending", peer_device.pending));
            line.add(field("unacked", peer_device.unacked));
        }
    }

    void print_progress(Line& line, const SyncProgress& sync) const {
        line.add(field("done", two_decimals(sync.percent_done())));
        if (style_.verbose || style_.statistics) {
            line.add(field("dbdt1", two_decimals(sync.oldest.mib_per_second())));
            const auto eta = sync.eta_seconds();
            line.add(eta ? field("eta", *eta) : field("eta", std::string("nan")));
        }
    }

    StatusStyle style_;
    std::string out_;
};

const PeerDeviceStatus* find_peer_device(const ResourceStatus& resource, std::uint16_t volume) {
    for (const ConnectionStatus& connection : resource.connections) {
        for (const PeerDeviceStatus& peer_device : connection.peer_devices) {
            if (peer_device.volume == volume) {
                return &peer_device;
            }
        }
    }
    return nullptr;
}

}  // namespace

std::optional<bool> wants_color(const std::string& when) {
    if (when == "auto") {
        return ::isatty(STDOUT_FILENO) != 0;
    }
    return when == "always"  ? std::optional(true)
           : when == "never" ? std::optional(false)
                             : std::nullopt;
}

std::string status_text(const control::Snapshot& snapshot, const StatusStyle& style) {
    return StatusPrinter(style).print(snapshot);
}

std::string event_text(const control::Event& event, bool statistics) {
    if (event.action == "change" && event.state.empty() && !statistics) {
        return "";
    }
    std::string text = event.action + " " + event.object;
    const auto add = [&](const control::Event::Fields& fields) {
        for (const auto& [key, value] : fields) {
            text += " " + field(key, value);
        }
    };
    add(event.keys);
    add(event.state);
    if (statistics) {
        add(event.statistics);
    }
    return text;
}

std::string role_text(const ResourceStatus& resource) {
    return resource.role + "/" +
           (resource.connections.empty() ? "Unknown" : resource.connections[0].peer_role);
}

std::string cstate_text(const ResourceStatus& resource, std::uint16_t volume) {
    const PeerDeviceStatus* peer_device = find_peer_device(resource, volume);
    return peer_device == nullptr ? "StandAlone" : peer_device->cstate;
}

std::string dstate_text(const ResourceStatus& resource, const DeviceStatus& device) {
    const PeerDeviceStatus* peer_device = find_peer_device(resource, device.volume);
    return device.disk + "/" + (peer_device == nullptr ? "DUnknown" : peer_device->peer_disk);
}

// As the original's drbdsetup and drbdmeta print it; metadata in use are never clean.
std::string show_gi_text(const DeviceStatus& device) {
    meta::Superblock superblock;
    const base::Result<meta::Superblock> parsed = meta::with_gi(superblock, device.generations);
    superblock = parsed ? *parsed : superblock;
    superblock.flags &= ~std::uint32_t{meta::kMdAlClean};
    superblock.la_size_sectors = device.size * 2;
    superblock.la_peer_max_bio_size = static_cast<std::uint32_t>(device.agreed_max_bio_bytes);
    return meta::show_gi(superblock);
}

}  // namespace cli
