// The checks of drbd.conf that need whole resources or the whole file.
// Configuration specification, section 6.
#include "config/validate.h"

#include "config/parser.h"

#include <algorithm>
#include <map>
#include <set>

namespace config {

namespace {

constexpr std::size_t kMaxHosts = 32;  // nodes of DRBD 9, which is what a file may be made for

bool has_volume(const HostConf& host, std::uint16_t number) {
    return std::any_of(host.volumes.begin(), host.volumes.end(), [&](const VolumeConf& volume) {
        return volume.number == number;
    });
}

void inherit(VolumeConf& volume, const VolumeConf& from) {
    if (volume.device.empty() && !volume.minor) {
        volume.device = from.device;
        volume.minor = from.minor;
    }
    if (volume.disk.empty()) {
        volume.disk = from.disk;
        volume.disk_place = from.disk_place;
    }
    if (volume.meta_disk.empty()) {
        volume.meta_disk = from.meta_disk;
        volume.meta_index = from.meta_index;
        volume.meta_place = from.meta_place;
    }
    // Its own follow: the last one counts.
    volume.options.insert(volume.options.begin(), from.options.begin(), from.options.end());
}

// A stacked section is named after the resource below, also where nobody knows that one.
const std::string& name_of(const HostConf& host) {
    return host.stacked_on.empty() ? host.names.front() : host.stacked_on;
}

class Validator {
public:
    Validator(LoadedConf& loaded, std::string_view node) : loaded_(loaded), node_(node) {}

    void run() {
        for (ResourceConf& resource : loaded_.conf.resources) {
            by_name_.emplace(resource.name, &resource);
        }
        for (ResourceConf& resource : loaded_.conf.resources) {
            if (resource.hosts.size() > kMaxHosts) {
                complain(resource.place,
                         "in resource " + resource.name + ": more than 32 host sections");
                continue;
            }
            name_stacked_hosts(resource);
            name_endpoints(resource);
            check_connections(resource);
            for (HostConf& host : resource.hosts) {
                complete_volumes(resource, host);
                check_host(resource, host);
            }
            check_hosts(resource);
        }
        for (ResourceConf& resource : loaded_.conf.resources) {
            stack_on_devices(resource);
            drop_unknown_orders(resource);
        }
        for (const ResourceConf& resource : loaded_.conf.resources) {
            if (const HostConf* host = resource.find_host(node_)) {
                check_unique_on_this_host(*host);
            }
        }
    }

private:
    void complain(const Place& place, const std::string& text) {
        loaded_.errors.push_back(prefix(place) + text);
    }

    void require_unique(std::string_view what, const std::string& key, const Place& place) {
        const std::string conflict = uses_.use(what, key, place);
        if (!conflict.empty()) {
            loaded_.errors.push_back(conflict);
        }
    }

    // The end of a connection that is called by its address is that of the host which has it.
    void name_endpoints(ResourceConf& resource) {
        for (ConnectionConf& connection : resource.connections) {
            name_endpoints(resource, connection.ends);
            for (std::vector<EndpointConf>& path : connection.paths) {
                name_endpoints(resource, path);
            }
        }
    }

    static void name_endpoints(const ResourceConf& resource, std::vector<EndpointConf>& ends) {
        for (EndpointConf& end : ends) {
            const auto host = std::find_if(
                resource.hosts.begin(), resource.hosts.end(), [&](const HostConf& one) {
                    return end.host.empty() && !one.names.empty() &&
                           canonical(one.address).ip == canonical(end.address).ip;
                });
            if (host != resource.hosts.end()) {
                end.host = host->names.front();
            }
        }
    }

    // Every host that a connection names has a section, and every connection has two ends.
    void check_connections(const ResourceConf& resource) {
        for (const HostConf& host : resource.hosts) {
            if (host.node_id) {
                require_unique(
                    "node-id", resource.name + ":" + std::to_string(*host.node_id), host.place);
            }
        }
        for (const MeshConf& mesh : resource.meshes) {
            for (const std::string& host : mesh.hosts) {
                require_section(resource, host, mesh.place, "connection-mesh");
            }
        }
        for (const ConnectionConf& connection : resource.connections) {
            if (connection.ends.size() != 2 &&
                (connection.paths.empty() || !connection.ends.empty())) {
                complain(connection.place,
                         "Resource " + resource.name + ": connection needs to have two endpoints");
            }
            for (const EndpointConf& end : connection.ends) {
                require_section(resource, end.host, end.place, "connection");
            }
            for (const std::vector<EndpointConf>& path : connection.paths) {
                if (path.size() != 2) {
                    complain(connection.place,
                             "Resource " + resource.name + ": path needs to have two endpoints");
                }
                for (const EndpointConf& end : path) {
                    require_section(resource, end.host, end.place, "path");
                }
            }
        }
    }

    void require_section(const ResourceConf& resource,
                         const std::string& host,
                         const Place& place,
                         const std::string& named_in) {
        if (host.empty()) {
            complain(place, "in resource " + resource.name + ":\n\tno host has this address");
        } else if (find_named(resource, host) == nullptr) {
            complain(place,
                     "in resource " + resource.name +
                         ":\n\tThere is no 'on' section for hostname '" + host + "' named in the " +
                         named_in);
        }
    }

    void name_stacked_hosts(ResourceConf& resource) {
        for (HostConf& host : resource.hosts) {
            if (const ResourceConf* lower = lower_of(host)) {
                host.names = names_of_hosts(*lower);
            } else if (!host.stacked_on.empty()) {
                resource.refusals.push_back(prefix(host.place) + "there is no resource '" +
                                            host.stacked_on + "' to be stacked on");
            }
        }
    }

    const ResourceConf* lower_of(const HostConf& host) const {
        const auto found = by_name_.find(host.stacked_on);
        return host.stacked_on.empty() || found == by_name_.end() ? nullptr : found->second;
    }

    // Each once: a resource may be stacked on one that is stacked itself, or on itself, and what is
    // added up along such a chain would double at each of its links.
    static std::vector<std::string> names_of_hosts(const ResourceConf& resource) {
        std::vector<std::string> names;
        std::set<std::string_view> seen;
        for (const HostConf& host : resource.hosts) {
            for (const std::string& name : host.names) {
                if (seen.insert(name).second) {
                    names.push_back(name);
                }
            }
        }
        return names;
    }

    // The disk of a stacked volume is the device of the same number below.
    void stack_on_devices(ResourceConf& resource) {
        for (HostConf& host : resource.hosts) {
            const ResourceConf* lower = lower_of(host);
            if (lower == nullptr || lower->hosts.empty()) {
                continue;
            }
            std::map<std::uint16_t, std::uint32_t> minors;
            for (const VolumeConf& below : lower->hosts.front().volumes) {
                minors[below.number] = below.minor.value_or(0);
            }
            for (VolumeConf& volume : host.volumes) {
                if (const auto below = minors.find(volume.number); below != minors.end()) {
                    volume.disk = "/dev/drbd" + std::to_string(below->second);
                    volume.meta_disk = "internal";
                }
            }
        }
    }

    // A resync can only come after that of a resource that is there.
    void drop_unknown_orders(ResourceConf& resource) {
        drop_unknown_orders(resource, resource.disk);
        for (HostConf& host : resource.hosts) {
            drop_unknown_orders(resource, host.disk);
            for (VolumeConf& volume : host.volumes) {
                drop_unknown_orders(resource, volume.options);
            }
        }
    }

    void drop_unknown_orders(const ResourceConf& resource, Options& options) {
        const auto is_unknown = [&](const Option& option) {
            const std::string other = option.value.substr(0, option.value.find('/'));
            if (option.name != "resync-after" || loaded_.conf.find_resource(other) != nullptr) {
                return false;
            }
            const std::string note = resource.canonical_file + ":" +
                                     std::to_string(resource.place.line) + ": in resource " +
                                     resource.name + ":\n\tresource '" + option.value +
                                     "' mentioned in 'resync-after' option is not known.";
            if (std::find(loaded_.notes.begin(), loaded_.notes.end(), note) ==
                loaded_.notes.end()) {
                loaded_.notes.push_back(note);
            }
            return true;
        };
        options.erase(std::remove_if(options.begin(), options.end(), is_unknown), options.end());
    }

    // What a host does not say about its volumes, the resource says.
    void complete_volumes(const ResourceConf& resource, HostConf& host) {
        for (const VolumeConf& general : resource.volumes) {
            const auto own =
                std::find_if(host.volumes.begin(), host.volumes.end(), [&](const VolumeConf& v) {
                    return v.number == general.number;
                });
            if (own == host.volumes.end()) {
                host.volumes.push_back(general);
            } else {
                inherit(*own, general);
            }
        }
        std::sort(host.volumes.begin(),
                  host.volumes.end(),
                  [](const VolumeConf& a, const VolumeConf& b) { return a.number < b.number; });
        if (host.volumes.empty()) {
            host.volumes.emplace_back().implicit = true;
        }
        for (VolumeConf& volume : host.volumes) {
            if (volume.meta_disk.empty() && resource.is_in_style_of_9()) {
                volume.meta_disk = "internal";  // 9 need not be told
            }
        }
    }

    void check_host(const ResourceConf& resource, const HostConf& host) {
        const bool some_implicit = std::any_of(host.volumes.begin(),
                                               host.volumes.end(),
                                               [](const VolumeConf& v) { return v.implicit; });
        const bool all_implicit = std::all_of(host.volumes.begin(),
                                              host.volumes.end(),
                                              [](const VolumeConf& v) { return v.implicit; });
        if (some_implicit != all_implicit) {
            complain(host.place,
                     "in resource " + resource.name +
                         ": you must not mix implicit and explicit volumes");
            return;
        }
        const auto missing = [&](const char* keyword) {
            complain(host.place,
                     "in resource " + resource.name + ", on " + name_of(host) + " { ... }: '" +
                         keyword + "' keyword missing.");
        };
        for (const VolumeConf& volume : host.volumes) {
            if (volume.device.empty() && !volume.minor) {
                missing("device");
            }
            const bool has_disk = host.stacked_on.empty();  // else the lower device is the disk
            if (volume.disk.empty() && has_disk) {
                missing("disk");
            }
            if (volume.meta_disk.empty() && has_disk) {
                missing("meta-disk");
                missing("meta-index");
            }
        }
        // In 9's style the paths have them, where a host has none for all of its connections.
        const bool in_paths =
            std::any_of(resource.connections.begin(),
                        resource.connections.end(),
                        [](const ConnectionConf& connection) { return !connection.paths.empty(); });
        if (host.address_family.empty() && !in_paths) {
            missing("address");
        }
    }

    void check_hosts(ResourceConf& resource) {
        if (resource.hosts.empty()) {
            complain(
                resource.place,
                "in resource " + resource.name + ", a host sections ('on H { ... }') is missing.");
            return;
        }
        if (resource.hosts.size() > 2) {
            resource.refusals.push_back(prefix(resource.hosts[2].place) + "in resource " +
                                        resource.name +
                                        ": more than two 'on' sections are known but not "
                                        "supported by this version of drbdd");
            return;
        }
        if (resource.hosts.size() == 2) {
            check_same_volumes(resource, resource.hosts[0], resource.hosts[1]);
            check_same_volumes(resource, resource.hosts[1], resource.hosts[0]);
        }
    }

    void check_same_volumes(const ResourceConf& resource, const HostConf& a, const HostConf& b) {
        for (const VolumeConf& volume : a.volumes) {
            if (!has_volume(b, volume.number)) {
                complain(a.place,
                         "in resource " + resource.name + ", on " + name_of(a) +
                             " { ... }: volume " + std::to_string(volume.number) +
                             " not defined on " + name_of(b));
            }
        }
    }

    void check_unique_on_this_host(const HostConf& host) {
        const std::string name = name_of(host);
        for (const VolumeConf& volume : host.volumes) {
            if (volume.minor) {
                require_unique("device-minor",
                               "device-minor:" + name + ":" + std::to_string(*volume.minor),
                               host.place);
            }
            if (!volume.disk.empty() && volume.disk != "none") {
                require_unique("disk", "disk:" + name + ":" + volume.disk, host.place);
            }
            if (!volume.meta_disk.empty() && volume.meta_disk != "internal") {
                const std::string slot =
                    volume.meta_index ? std::to_string(*volume.meta_index) : "flexible";
                require_unique("meta-disk",
                               name + ":" + volume.meta_disk + "[" + slot + "]",
                               volume.meta_place);
            }
        }
        if (!host.address_family.empty()) {
            require_unique(
                "IP", host.address.ip + ":" + std::to_string(host.address.port), host.place);
        }
    }

    LoadedConf& loaded_;
    std::string_view node_;
    std::map<std::string_view, const ResourceConf*> by_name_;
    UniqueUses uses_;
};

}  // namespace

void validate(LoadedConf& loaded, std::string_view node) {
    Validator(loaded, node).run();
}

}  // namespace config
