// From what a file says to what one node needs.
#include "base/require.h"
#include "config/drbd_conf.h"
#include "config/link.h"
#include "config/refusals.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace config {

namespace {

template <typename T>
struct IsDuration : std::false_type {};

template <typename Rep, typename Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::uint64_t number_of(const OptionSpec& spec, const std::string& value) {
    const Number number = parse_number(value, spec.scale);
    REQUIRE(number.problem == Number::Problem::None);  // checked when the file was read
    return spec.clamped ? std::clamp(number.value, spec.min, spec.max) : number.value;
}

// Sets `member` from the text of an option that check_value() has found good.
template <typename T>
void assign(T& member, const OptionSpec& spec, const std::string& value) {
    if constexpr (std::is_same_v<T, bool>) {
        member = value == "yes";
    } else if constexpr (std::is_same_v<T, std::string>) {
        member = value;
    } else if constexpr (std::is_enum_v<T>) {
        const auto all = words<T>();
        for (std::size_t i = 0; i < all.size(); ++i) {
            // protocol is accepted in lower case too
            if (all[i] == value ||
                (all[i].size() == 1 && value.size() == 1 && all[i][0] == upper(value[0]))) {
                member = static_cast<T>(i);
            }
        }
    } else if constexpr (IsDuration<T>::value) {
        member = T(static_cast<typename T::rep>(number_of(spec, value)));
    } else if constexpr (std::is_integral_v<T>) {
        member = static_cast<T>(number_of(spec, value));
    } else {
        assign(member.emplace(), spec, value);  // std::optional
    }
}

// A visitor for the for_each_..._option() functions: the first of `layers` that has the option
// wins.
auto reader(Section section, std::vector<const Options*> layers) {
    return [section, layers = std::move(layers)](std::string_view name, auto& member) {
        for (const Options* layer : layers) {
            const Option* option = layer == nullptr ? nullptr : last_of(*layer, name);
            if (option != nullptr) {
                const OptionSpec* spec = find_option(section, name);
                REQUIRE(spec != nullptr);
                assign(member, *spec, option->value);
                return;
            }
        }
    };
}

// discard-node-HOST: HOST's changes are thrown away, whichever node that is.
base::Result<void> resolve_discard_node(const Option* option,
                                        const HostConf& host,
                                        const HostConf& peer,
                                        AfterSb0Pri& policy) {
    constexpr std::string_view kPrefix = "discard-node-";
    if (option == nullptr || !option->value.starts_with(kPrefix)) {
        return {};
    }
    const std::string name = option->value.substr(kPrefix.size());
    const auto names = [&](const HostConf& h) {
        return std::find(h.names.begin(), h.names.end(), name) != h.names.end();
    };
    if (!names(host) && !names(peer)) {
        return base::Error{base::ErrorCode::Invalid,
                           option->place.file + ":" + std::to_string(option->place.line) +
                               ": after-sb-0pri " + option->value + ": there is no host '" + name +
                               "' in this resource"};
    }
    policy = names(host) ? AfterSb0Pri::DiscardLocal : AfterSb0Pri::DiscardRemote;
    return {};
}

// What a connection says of the peer's device is nearer than all that the device itself has.
std::vector<const Options*> disk_layers(const Link& link, std::uint16_t volume) {
    std::vector<const Options*> layers;
    if (link.connection != nullptr) {
        const auto found = link.connection->volumes.find(volume);
        layers.push_back(found == link.connection->volumes.end() ? nullptr : &found->second);
        layers.push_back(&link.connection->disk);
    }
    return layers;
}

VolumeSettings volume_settings(const DrbdConf& conf,
                               const VolumeConf& volume,
                               std::string_view node,
                               std::vector<const Options*> layers) {
    VolumeSettings settings;
    settings.number = volume.number;
    settings.minor = volume.minor.value_or(0);
    settings.device =
        volume.device.empty() ? "/dev/drbd" + std::to_string(settings.minor) : volume.device;
    settings.disk = volume.disk;
    if (volume.meta_disk != "internal") {
        settings.meta_disk = volume.meta_disk;
        settings.meta_index = volume.meta_index;
    }
    settings.implicit = volume.implicit && !(conf.global && conf.global->udev_always_use_vnr);
    for_each_disk_option(settings.options, reader(Section::Disk, std::move(layers)));
    settings.options.resync_after = minor_that_is_first(conf, node, settings.options.resync_after);
    return settings;
}

// The first of the layers that has the option; null: none.
const Option* find_in(const std::vector<const Options*>& layers, std::string_view name) {
    for (const Options* layer : layers) {
        if (const Option* option = layer == nullptr ? nullptr : last_of(*layer, name)) {
            return option;
        }
    }
    return nullptr;
}

void take_handlers(const DrbdConf& conf, const ResourceConf& resource, ResourceSettings& settings) {
    for (const Option& handler : resource.handlers) {
        settings.handlers.insert_or_assign(handler.name, handler.value);
    }
    if (const ResourceConf* common = common_of(conf, resource)) {
        const Options& inherited = common->handlers;
        std::for_each(inherited.rbegin(), inherited.rend(), [&](const Option& handler) {
            settings.handlers.emplace(handler.name, handler.value);  // not if it is there
        });
    }
}

}  // namespace

const Option* last_of(const Options& options, std::string_view name) {
    const auto last = std::find_if(options.rbegin(), options.rend(), [&](const Option& option) {
        return option.name == name;
    });
    return last == options.rend() ? nullptr : &*last;
}

std::string minor_that_is_first(const DrbdConf& conf,
                                std::string_view node,
                                const std::string& resync_after) {
    const std::size_t slash = resync_after.find('/');
    const ResourceConf* other = conf.find_resource(resync_after.substr(0, slash));
    const HostConf* host = other == nullptr ? nullptr : other->find_host(node);
    if (host == nullptr || host->volumes.empty()) {
        return resync_after;
    }
    const VolumeConf* named = &host->volumes.front();
    for (const VolumeConf& volume : host->volumes) {
        const bool is_it = slash != std::string::npos &&
                           resync_after.substr(slash + 1) == std::to_string(volume.number);
        named = is_it ? &volume : named;
    }
    return std::to_string(named->minor.value_or(0));
}

const ResourceConf* common_of(const DrbdConf& conf, const ResourceConf& resource) {
    return resource.common != nullptr ? resource.common.get()
           : conf.common              ? &*conf.common
                                      : nullptr;
}

Options effective_options(const DrbdConf& conf, const ResourceConf& resource, Section section) {
    Options options = resource.section(section);
    // Between two hosts all connections and meshes that there are concern the same pair.
    for (std::size_t i = 0; section == Section::Net && i < resource.meshes.size(); ++i) {
        const Options& net = resource.meshes[i].net;
        options.insert(options.end(), net.begin(), net.end());
    }
    for (std::size_t i = 0; section == Section::Net && i < resource.connections.size(); ++i) {
        const Options& net = resource.connections[i].net;
        options.insert(options.end(), net.begin(), net.end());
    }
    if (const ResourceConf* common = common_of(conf, resource)) {
        const Options own = options;
        for (const Option& option : common->section(section)) {
            if (last_of(own, option.name) == nullptr) {
                options.insert(options.begin(), option);
            }
        }
    }
    return options;
}

void apply_options(NetSettings& net, const Options& options) {
    for_each_net_option(net, reader(Section::Net, {&options}));
}

void apply_options(DiskSettings& disk, const Options& options) {
    for_each_disk_option(disk, reader(Section::Disk, {&options}));
}

void apply_options(ResourceSettings& resource, const Options& options) {
    for_each_resource_option(resource, reader(Section::Options, {&options}));
}

StartupSettings startup_of(const DrbdConf& conf, const ResourceConf& resource) {
    StartupSettings startup;
    const ResourceConf* common = common_of(conf, resource);
    for_each_startup_option(
        startup,
        reader(Section::Startup,
               {&resource.startup, common != nullptr ? &common->startup : nullptr}));
    return startup;
}

base::Result<ResourceSettings> settings_for(const DrbdConf& conf,
                                            const ResourceConf& resource,
                                            std::string_view node) {
    const std::string where = resource.place.file + ":" + std::to_string(resource.place.line) +
                              ": in resource " + resource.name + ":\n\t";
    const HostConf* host = resource.find_host(node);
    if (host == nullptr) {
        return base::Error{base::ErrorCode::NotFound,
                           where + "missing section 'on " + std::string(node) + " { ... }'."};
    }
    if (const std::string refused = refusals_of(conf, resource, *host); !refused.empty()) {
        return base::Error{base::ErrorCode::Unsupported, refused};
    }
    const HostConf* peer = peer_of(resource, *host);
    if (peer == nullptr) {
        return base::Error{base::ErrorCode::NotFound,
                           where + "Missing section 'on <PEER> { ... }'."};
    }
    base::Result<Link> link = link_between(resource, *host, *peer);
    if (!link) {
        return link.error();
    }
    const ResourceConf* common = common_of(conf, resource);
    link->net.push_back(common != nullptr ? &common->net : nullptr);
    ResourceSettings settings;
    settings.name = resource.name;
    settings.config_file = conf.file;
    settings.node = node;
    settings.peer = peer->names.front();
    settings.address = canonical(link->address);
    settings.peer_address = canonical(link->peer_address);
    for_each_net_option(settings.net, reader(Section::Net, link->net));
    settings.startup = startup_of(conf, resource);
    for_each_resource_option(
        settings,
        reader(
            Section::Options,
            {&host->options, &resource.options, common != nullptr ? &common->options : nullptr}));

    // The names of algorithms are compared, here and by our partner.
    for (std::string* algorithm : {&settings.net.cram_hmac_alg,
                                   &settings.net.data_integrity_alg,
                                   &settings.net.csums_alg,
                                   &settings.net.verify_alg}) {
        std::transform(algorithm->begin(), algorithm->end(), algorithm->begin(), lower);
    }

    const auto resolved = resolve_discard_node(
        find_in(link->net, "after-sb-0pri"), *host, *peer, settings.net.after_sb_0pri);
    if (!resolved) {
        return resolved.error();
    }
    for (const VolumeConf& volume : host->volumes) {
        std::vector<const Options*> layers = disk_layers(*link, volume.number);
        layers.insert(layers.end(),
                      {&volume.options,
                       &host->disk,
                       &resource.disk,
                       common != nullptr ? &common->disk : nullptr});
        settings.volumes.push_back(volume_settings(conf, volume, node, std::move(layers)));
    }
    take_handlers(conf, resource, settings);
    return settings;
}

}  // namespace config
