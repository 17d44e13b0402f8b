// The checks of drbd.conf that need whole resources or the whole file.
// Configuration specification, section 6.
#include "config/validate.h"

#include "config/parser.h"

#include <algorithm>

namespace config {

namespace {

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
    }
    if (volume.meta_disk.empty()) {
        volume.meta_disk = from.meta_disk;
    }
    for (const Option& option : from.options) {
        const bool is_set = std::any_of(volume.options.begin(),
                                        volume.options.end(),
                                        [&](const Option& o) { return o.name == option.name; });
        if (!is_set) {
            volume.options.push_back(option);
        }
    }
}

class Validator {
public:
    Validator(LoadedConf& loaded, std::string_view node) : loaded_(loaded), node_(node) {}

    void run() {
        for (ResourceConf& resource : loaded_.conf.resources) {
            for (HostConf& host : resource.hosts) {
                complete_volumes(resource, host);
                check_host(resource, host);
            }
            check_hosts(resource);
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
                     "in resource " + resource.name + ", on " + host.names.front() + " { ... }: '" +
                         keyword + "' keyword missing.");
        };
        for (const VolumeConf& volume : host.volumes) {
            if (volume.device.empty() && !volume.minor) {
                missing("device");
            }
            if (volume.disk.empty()) {
                missing("disk");
            }
            if (volume.meta_disk.empty()) {
                missing("meta-disk");
                missing("meta-index");
            }
        }
        if (host.address_family.empty()) {
            missing("address");
        }
    }

    void check_hosts(const ResourceConf& resource) {
        if (resource.hosts.empty() && resource.has_refused_section) {
            return;
        }
        if (resource.hosts.empty()) {
            complain(
                resource.place,
                "in resource " + resource.name + ", a host sections ('on H { ... }') is missing.");
            return;
        }
        if (resource.hosts.size() > 2) {
            complain(resource.hosts[2].place,
                     "in resource " + resource.name +
                         ": more than two 'on' sections are known but not supported by this "
                         "version of drbdd");
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
                         "in resource " + resource.name + ", on " + a.names.front() +
                             " { ... }: volume " + std::to_string(volume.number) +
                             " not defined on " + b.names.front());
            }
        }
    }

    void check_unique_on_this_host(const HostConf& host) {
        const std::string name = host.names.front();
        for (const VolumeConf& volume : host.volumes) {
            if (volume.minor) {
                require_unique("device-minor",
                               "device-minor:" + name + ":" + std::to_string(*volume.minor),
                               host.place);
            }
            if (!volume.disk.empty()) {
                require_unique("disk", "disk:" + name + ":" + volume.disk, host.place);
            }
        }
        if (!host.address_family.empty()) {
            require_unique(
                "IP", host.address.ip + ":" + std::to_string(host.address.port), host.place);
        }
    }

    LoadedConf& loaded_;
    std::string_view node_;
    UniqueUses uses_;
};

}  // namespace

void validate(LoadedConf& loaded, std::string_view node) {
    Validator(loaded, node).run();
}

}  // namespace config
