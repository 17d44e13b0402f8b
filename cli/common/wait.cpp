#include "cli/common/wait.h"

#include "cli/common/outcome.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace cli {

namespace {

using control::Event;

// What the event stream has told so far about one resource.
class Watch {
public:
    Watch(WaitFor what, std::optional<std::uint16_t> volume) : what_(what), volume_(volume) {}

    void take(const Event& event) {
        if (event.object == "-") {
            complete_ = true;
        } else if (event.object == "resource" && event.action == "destroy") {
            gone_ = true;
        } else if (event.object == "connection") {
            update(event, "connection", connection_);
        } else if (event.object == "peer-device") {
            update(event, "replication", replication_[value(event.keys, "volume")]);
        }
    }

    bool is_met() const {
        const bool is_told =
            volume_ ? replication_.contains(std::to_string(*volume_)) : !replication_.empty();
        return complete_ && is_told &&
               std::all_of(replication_.begin(), replication_.end(), [&](const auto& entry) {
                   if (volume_ && entry.first != std::to_string(*volume_)) {
                       return true;
                   }
                   return what_ == WaitFor::Connect ? entry.second != "Off" && !entry.second.empty()
                                                    : entry.second == "Established";
               });
    }

    // Nothing more will happen by itself.
    bool is_ended() const {
        return complete_ && (connection_ == "StandAlone" || connection_ == "Disconnecting");
    }

    bool is_gone() const { return gone_; }

private:
    static std::string value(const Event::Fields& fields, const std::string& key) {
        for (const auto& [name, text] : fields) {
            if (name == key) {
                return text;
            }
        }
        return "";
    }

    static void update(const Event& event, const std::string& key, std::string& state) {
        const std::string text = value(event.state, key);
        if (!text.empty()) {
            state = text;
        }
    }

    WaitFor what_;
    std::optional<std::uint16_t> volume_;
    std::string connection_;
    std::map<std::string, std::string> replication_;  // volume -> state
    bool complete_ = false;                           // all that exists was told
    bool gone_ = false;
};

int failed(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return kExitUsage;
}

bool is_peer_outdated(const control::ResourceStatus& resource) {
    return std::any_of(
        resource.connections.begin(), resource.connections.end(), [](const auto& connection) {
            return std::any_of(connection.peer_devices.begin(),
                               connection.peer_devices.end(),
                               [](const auto& p) { return p.peer_disk == "Outdated"; });
        });
}

// The original lowers a degr-wfc-timeout that is not below wfc-timeout.
config::Seconds degraded_timeout(const config::StartupSettings& timeouts) {
    const config::Seconds wfc = timeouts.wfc_timeout;
    const config::Seconds degr = timeouts.degr_wfc_timeout;
    if (wfc.count() > 0 && (degr.count() == 0 || degr > wfc)) {
        std::fprintf(stderr,
                     "degr-wfc-timeout has to be shorter than wfc-timeout\n"
                     "degr-wfc-timeout implicitly set to wfc-timeout (%llds)\n",
                     static_cast<long long>(wfc.count()));
        return wfc;
    }
    return degr;
}

}  // namespace

config::Seconds choose_timeout(const config::StartupSettings& timeouts,
                               const control::ResourceStatus& resource) {
    if (is_peer_outdated(resource)) {
        return timeouts.outdated_wfc_timeout;
    }
    return resource.degraded ? degraded_timeout(timeouts) : timeouts.wfc_timeout;
}

int wait_for(Client& client,
             const control::ResourceStatus& resource,
             std::optional<std::uint16_t> volume,
             WaitFor what,
             const config::StartupSettings& timeouts) {
    std::optional<SteadyTime> until;
    if (const config::Seconds timeout = choose_timeout(timeouts, resource); timeout.count() > 0) {
        until = std::chrono::steady_clock::now() + timeout;
    }
    control::Request request;
    request.command = control::Command::Events2;
    request.resource = resource.name;
    const base::Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return failed(reply.error().text);
    }
    if (reply->code != 0) {
        std::fprintf(stderr, "%s\n", failure_text(resource.name, reply->code, reply->text).c_str());
        return exit_code(reply->code);
    }
    Watch watch(what, volume);
    bool told = false;
    while (!watch.is_met()) {
        if (watch.is_gone()) {
            return failed(resource.name + ": No such resource");
        }
        if (watch.is_ended() && !timeouts.wait_after_sb) {
            return 0;
        }
        if (watch.is_ended() && !std::exchange(told, true)) {
            std::fprintf(stderr,
                         "\nStandAlone: the connection of '%s' was ended, maybe by a split brain; "
                         "waiting on (wait-after-sb)\n",
                         resource.name.c_str());
        }
        const base::Result<std::optional<Event>> event = client.next_event(until);
        if (!event) {
            return failed(event.error().text);
        }
        if (!event->has_value()) {
            return kExitTimeout;
        }
        watch.take(**event);
    }
    return 0;
}

}  // namespace cli
