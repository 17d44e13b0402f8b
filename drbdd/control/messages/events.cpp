// Events of drbdsetup events2 from pictures of the state: what exists, and what changed between two
// of them. Configuration specification, section 9.4.
#include "drbdd/control/messages.h"

#include <algorithm>
#include <cstdio>

namespace control {

namespace {

using Fields = Event::Fields;

std::string yes_no(bool value) {
    return value ? "yes" : "no";
}

// --- One object: its keys, its state, its counters ---

Fields resource_keys(const ResourceStatus& resource) {
    return {{"name", resource.name}};
}

Fields resource_state(const ResourceStatus& resource) {
    return {{"role", resource.role}, {"suspended", resource.suspended}};
}

Fields resource_statistics(const ResourceStatus& resource) {
    return {{"write-ordering", resource.write_ordering}};
}

// With two nodes the 8.4 tools call every peer number 0 and "peer".
Fields connection_keys(const ResourceStatus& resource) {
    return {{"name", resource.name}, {"peer-node-id", "0"}, {"conn-name", "peer"}};
}

Fields connection_state(const ConnectionStatus& connection) {
    return {{"connection", std::string(connection_word(connection.cstate))},
            {"role", connection.peer_role}};
}

Fields connection_statistics(const ConnectionStatus& connection) {
    return {{"congested", yes_no(connection.congested)}};
}

Fields device_keys(const ResourceStatus& resource, const DeviceStatus& device) {
    return {{"name", resource.name},
            {"volume", std::to_string(device.volume)},
            {"minor", std::to_string(device.minor)}};
}

Fields device_state(const DeviceStatus& device) {
    return {{"disk", device.disk}};
}

Fields device_statistics(const DeviceStatus& device) {
    return {{"size", std::to_string(device.size)},
            {"read", std::to_string(device.read)},
            {"written", std::to_string(device.written)},
            {"al-writes", std::to_string(device.al_writes)},
            {"bm-writes", std::to_string(device.bm_writes)},
            {"upper-pending", std::to_string(device.upper_pending)},
            {"lower-pending", std::to_string(device.lower_pending)},
            {"al-suspended", yes_no(device.al_suspended)},
            {"blocked", device.blocked}};
}

Fields peer_device_keys(const ResourceStatus& resource, const PeerDeviceStatus& peer_device) {
    Fields keys = connection_keys(resource);
    keys.emplace_back("volume", std::to_string(peer_device.volume));
    return keys;
}

Fields peer_device_state(const PeerDeviceStatus& peer_device) {
    return {{"replication", std::string(replication_word(peer_device.cstate))},
            {"peer-disk", peer_device.peer_disk},
            {"resync-suspended", peer_device.resync_suspended}};
}

std::string two_decimals(double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
}

Fields peer_device_statistics(const PeerDeviceStatus& peer_device) {
    Fields out;
    const std::optional<SyncProgress>& sync = peer_device.sync;
    if (sync) {
        out.emplace_back("done", two_decimals(sync->percent_done()));
    }
    out.emplace_back("received", std::to_string(peer_device.received));
    out.emplace_back("sent", std::to_string(peer_device.sent));
    out.emplace_back("out-of-sync", std::to_string(peer_device.out_of_sync));
    out.emplace_back("pending", std::to_string(peer_device.pending));
    out.emplace_back("unacked", std::to_string(peer_device.unacked));
    if (sync) {
        out.emplace_back("dbdt1", two_decimals(sync->oldest.mib_per_second()));
        const auto eta = sync->eta_seconds();
        out.emplace_back("eta", eta ? std::to_string(*eta) : "nan");
    }
    return out;
}

Fields changed_fields(const Fields& before, const Fields& after) {
    Fields changed;
    for (const auto& field : after) {
        if (std::find(before.begin(), before.end(), field) == before.end()) {
            changed.push_back(field);
        }
    }
    return changed;
}

template <typename T>
const T* find_volume(const std::vector<T>& list, std::uint16_t volume) {
    for (const T& item : list) {
        if (item.volume == volume) {
            return &item;
        }
    }
    return nullptr;
}

const ConnectionStatus* find_connection(const ResourceStatus& resource, const std::string& peer) {
    for (const ConnectionStatus& connection : resource.connections) {
        if (connection.peer == peer) {
            return &connection;
        }
    }
    return nullptr;
}

// --- Events about one object ---

class EventList {
public:
    void add(std::string action, std::string object, Fields keys, Fields state, Fields statistics) {
        events_.push_back({std::move(action),
                           std::move(object),
                           std::move(keys),
                           std::move(state),
                           std::move(statistics)});
    }

    void destroy(std::string object, Fields keys) {
        add("destroy", std::move(object), std::move(keys), {}, {});
    }

    void resource(const std::string& action, const ResourceStatus& r) {
        add(action, "resource", resource_keys(r), resource_state(r), resource_statistics(r));
    }

    void connections(const std::string& action, const ResourceStatus& r) {
        for (const ConnectionStatus& c : r.connections) {
            add(action,
                "connection",
                connection_keys(r),
                connection_state(c),
                connection_statistics(c));
        }
    }

    void device(const std::string& action, const ResourceStatus& r, const DeviceStatus& d) {
        add(action, "device", device_keys(r, d), device_state(d), device_statistics(d));
    }

    void peer_device(const std::string& action,
                     const ResourceStatus& r,
                     const PeerDeviceStatus& p) {
        add(action,
            "peer-device",
            peer_device_keys(r, p),
            peer_device_state(p),
            peer_device_statistics(p));
    }

    void devices(const std::string& action, const ResourceStatus& r) {
        for (const DeviceStatus& d : r.devices) {
            device(action, r, d);
        }
    }

    void peer_devices(const std::string& action, const ResourceStatus& r) {
        for (const ConnectionStatus& c : r.connections) {
            for (const PeerDeviceStatus& p : c.peer_devices) {
                peer_device(action, r, p);
            }
        }
    }

    std::vector<Event> take() { return std::move(events_); }

private:
    std::vector<Event> events_;
};

// The two groups of a resource or connection: each changed field is news.
void add_change(EventList& events,
                const char* object,
                Fields keys,
                const Fields& state_before,
                const Fields& state_after,
                const Fields& statistics_before,
                const Fields& statistics_after) {
    Fields state = changed_fields(state_before, state_after);
    Fields statistics = changed_fields(statistics_before, statistics_after);
    if (!state.empty() || !statistics.empty()) {
        events.add("change", object, std::move(keys), std::move(state), std::move(statistics));
    }
}

void add_device_changes(EventList& events,
                        const ResourceStatus& before,
                        const ResourceStatus& after) {
    for (const DeviceStatus& device : after.devices) {
        const DeviceStatus* old = find_volume(before.devices, device.volume);
        if (old == nullptr) {
            events.device("create", after, device);
            continue;
        }
        Fields state = changed_fields(device_state(*old), device_state(device));
        if (!state.empty()) {
            events.add("change",
                       "device",
                       device_keys(after, device),
                       std::move(state),
                       device_statistics(device));
        }
    }
    for (const DeviceStatus& device : before.devices) {
        if (find_volume(after.devices, device.volume) == nullptr) {
            events.destroy("device", device_keys(before, device));
        }
    }
}

void add_peer_device_changes(EventList& events,
                             const ResourceStatus& resource,
                             const ConnectionStatus& before,
                             const ConnectionStatus& after) {
    for (const PeerDeviceStatus& peer_device : after.peer_devices) {
        const PeerDeviceStatus* old = find_volume(before.peer_devices, peer_device.volume);
        if (old == nullptr) {
            events.peer_device("create", resource, peer_device);
            continue;
        }
        Fields state = changed_fields(peer_device_state(*old), peer_device_state(peer_device));
        if (!state.empty()) {
            events.add("change",
                       "peer-device",
                       peer_device_keys(resource, peer_device),
                       std::move(state),
                       peer_device_statistics(peer_device));
        }
    }
    for (const PeerDeviceStatus& peer_device : before.peer_devices) {
        if (find_volume(after.peer_devices, peer_device.volume) == nullptr) {
            events.destroy("peer-device", peer_device_keys(resource, peer_device));
        }
    }
}

void add_resource_changes(EventList& events,
                          const ResourceStatus& before,
                          const ResourceStatus& after) {
    add_change(events,
               "resource",
               resource_keys(after),
               resource_state(before),
               resource_state(after),
               resource_statistics(before),
               resource_statistics(after));
    for (const ConnectionStatus& connection : after.connections) {
        if (const ConnectionStatus* old = find_connection(before, connection.peer)) {
            add_change(events,
                       "connection",
                       connection_keys(after),
                       connection_state(*old),
                       connection_state(connection),
                       connection_statistics(*old),
                       connection_statistics(connection));
        }
    }
    add_device_changes(events, before, after);
    for (const ConnectionStatus& connection : after.connections) {
        if (const ConnectionStatus* old = find_connection(before, connection.peer)) {
            add_peer_device_changes(events, after, *old, connection);
        }
    }
}

Fields helper_keys(const ResourceStatus& resource,
                   std::optional<std::uint16_t> volume,
                   const std::string& name) {
    Fields keys = connection_keys(resource);
    const DeviceStatus* device = volume ? find_volume(resource.devices, *volume) : nullptr;
    if (device != nullptr) {
        keys.emplace_back("volume", std::to_string(device->volume));
        keys.emplace_back("minor", std::to_string(device->minor));
    }
    keys.emplace_back("helper", name);
    return keys;
}

}  // namespace

std::vector<Event> existing_events(const Snapshot& snapshot, std::string_view resource) {
    EventList events;
    const auto for_each = [&](auto&& add) {
        for (const ResourceStatus& r : snapshot.resources) {
            if (resource.empty() || r.name == resource) {
                add(r);
            }
        }
    };
    for_each([&](const ResourceStatus& r) { events.resource("exists", r); });
    for_each([&](const ResourceStatus& r) { events.connections("exists", r); });
    for_each([&](const ResourceStatus& r) { events.devices("exists", r); });
    for_each([&](const ResourceStatus& r) { events.peer_devices("exists", r); });
    events.add("exists", "-", {}, {}, {});
    return events.take();
}

// A resource is built and taken down in the original's order (section 9.4, life cycle).
std::vector<Event> change_events(const ResourceStatus* before, const ResourceStatus* after) {
    EventList events;
    if (before == nullptr && after != nullptr) {
        events.resource("create", *after);
        events.devices("create", *after);
        events.connections("create", *after);
        events.peer_devices("create", *after);
    } else if (before != nullptr && after == nullptr) {
        for (const ConnectionStatus& connection : before->connections) {
            for (const PeerDeviceStatus& peer_device : connection.peer_devices) {
                events.destroy("peer-device", peer_device_keys(*before, peer_device));
            }
            events.destroy("connection", connection_keys(*before));
        }
        for (const DeviceStatus& device : before->devices) {
            events.destroy("device", device_keys(*before, device));
        }
        events.destroy("resource", resource_keys(*before));
    } else if (before != nullptr && after != nullptr) {
        add_resource_changes(events, *before, *after);
    }
    return events.take();
}

Event helper_call(const ResourceStatus& resource,
                  std::optional<std::uint16_t> volume,
                  const std::string& name) {
    return {"call", "helper", helper_keys(resource, volume, name), {}, {}};
}

Event helper_response(const ResourceStatus& resource,
                      std::optional<std::uint16_t> volume,
                      const std::string& name,
                      int status) {
    return {"response",
            "helper",
            helper_keys(resource, volume, name),
            {{"status", std::to_string(status)}},
            {}};
}

}  // namespace control
