// From what a file says to what one node needs.
#include "base/require.h"
#include "config/drbd_conf.h"

#include <algorithm>
#include <initializer_list>
#include <type_traits>

namespace config {

namespace {

template <typename T>
struct IsDuration : std::false_type {};

template <typename Rep, typename Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
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

// The last one counts.
const Option* find(const Options& options, std::string_view name) {
    const auto last = std::find_if(options.rbegin(), options.rend(), [&](const Option& option) {
        return option.name == name;
    });
    return last == options.rend() ? nullptr : &*last;
}

// A visitor for the for_each_..._option() functions: the first of `layers` that has the option
// wins.
template <std::size_t N>
auto reader(Section section, const std::array<const Options*, N>& layers) {
    return [section, layers](std::string_view name, auto& member) {
        for (const Options* layer : layers) {
            const Option* option = layer == nullptr ? nullptr : find(*layer, name);
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

VolumeSettings volume_settings(const VolumeConf& volume,
                               const HostConf& host,
                               const ResourceConf& resource,
                               const Options* common_disk,
                               bool always_use_number) {
    VolumeSettings settings;
    settings.number = volume.number;
    settings.minor = volume.minor.value_or(0);
    settings.device =
        volume.device.empty() ? "/dev/drbd" + std::to_string(settings.minor) : volume.device;
    settings.disk = volume.disk;
    settings.implicit = volume.implicit && !always_use_number;
    for_each_disk_option(settings.options,
                         reader(Section::Disk,
                                std::array<const Options*, 4>{
                                    &volume.options, &host.disk, &resource.disk, common_disk}));
    return settings;
}

std::string refusal(const Place& place, const std::string& text) {
    return place.file + ":" + std::to_string(place.line) + ": " + text + "\n";
}

std::string not_supported(const Place& place, const std::string& what) {
    return refusal(place, what + " is known but not supported by this version of drbdd");
}

// Of each option the one that counts, if it counts at all: `inner` is what stands nearer.
std::string refused_options(Section section,
                            const Options& options,
                            std::initializer_list<const Options*> inner) {
    std::string text;
    for (const Option& option : options) {
        const bool hidden = find(options, option.name) != &option ||
                            std::any_of(inner.begin(), inner.end(), [&](const Options* nearer) {
                                return find(*nearer, option.name) != nullptr;
                            });
        const OptionSpec* spec = hidden ? nullptr : find_option(section, option.name);
        if (spec == nullptr) {
            continue;
        }
        if (const std::string why = check_support(*spec, section, option.value); !why.empty()) {
            text += refusal(option.place, why);
        }
    }
    return text;
}

std::string refused_backing(const HostConf& host) {
    std::string text;
    for (const VolumeConf& volume : host.volumes) {
        if (volume.disk == "none") {
            text += not_supported(volume.disk_place, "'disk none'");
        }
        if (volume.meta_disk != "internal" && host.stacked_on.empty()) {
            text += not_supported(volume.meta_place,
                                  "external metadata ('meta-disk " + volume.meta_disk + "')");
        }
        text += refused_options(Section::Disk, volume.options, {});
    }
    return text;
}

std::string refused_address(const HostConf& host) {
    const std::string& family = host.address_family;
    return family == "ipv4" || family == "ipv6"
               ? ""
               : not_supported(host.address_place, "address family '" + family + "'");
}

// Everything that keeps `resource` from running on `host`, a line each in the order of the file;
// empty: nothing does.
std::string refusals(const DrbdConf& conf, const ResourceConf& resource, const HostConf& host) {
    static const ResourceConf kNone;
    const ResourceConf& common = conf.common ? *conf.common : kNone;
    std::string text;
    for (const ResourceConf* owner : {&common, &resource}) {
        for (const std::string& line : owner->refusals) {
            text += line + "\n";
        }
    }
    for (const Section section : {Section::Net, Section::Options, Section::Startup}) {
        const Options& own = resource.section(section);
        text += refused_options(section, common.section(section), {&own});
        text += refused_options(section, own, {});
    }
    text += refused_options(Section::Disk, common.disk, {&resource.disk, &host.disk});
    text += refused_options(Section::Disk, resource.disk, {&host.disk});
    text += refused_options(Section::Disk, host.disk, {});
    text += refused_backing(host);
    for (const HostConf& one : resource.hosts) {
        text += refused_address(one);
    }
    return text.empty() ? text : text.substr(0, text.size() - 1);
}

}  // namespace

Options effective_options(const DrbdConf& conf, const ResourceConf& resource, Section section) {
    Options options = resource.section(section);
    if (conf.common) {
        for (const Option& option : conf.common->section(section)) {
            if (find(resource.section(section), option.name) == nullptr) {
                options.insert(options.begin(), option);
            }
        }
    }
    return options;
}

StartupSettings startup_of(const DrbdConf& conf, const ResourceConf& resource) {
    StartupSettings startup;
    for_each_startup_option(
        startup,
        reader(Section::Startup,
               std::array<const Options*, 2>{&resource.startup,
                                             conf.common ? &conf.common->startup : nullptr}));
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
    if (const std::string refused = refusals(conf, resource, *host); !refused.empty()) {
        return base::Error{base::ErrorCode::Unsupported, refused};
    }
    const auto peer = std::find_if(resource.hosts.begin(),
                                   resource.hosts.end(),
                                   [&](const HostConf& h) { return &h != host; });
    if (peer == resource.hosts.end()) {
        return base::Error{base::ErrorCode::NotFound,
                           where + "Missing section 'on <PEER> { ... }'."};
    }
    const auto inherited = [&](Section section) {
        return conf.common ? &conf.common->section(section) : nullptr;
    };
    const auto layers = [&](Section section) {
        return reader(
            section, std::array<const Options*, 2>{&resource.section(section), inherited(section)});
    };
    ResourceSettings settings;
    settings.name = resource.name;
    settings.config_file = conf.file;
    settings.node = node;
    settings.peer = peer->names.front();
    settings.address = host->address;
    settings.peer_address = peer->address;
    for_each_net_option(settings.net, layers(Section::Net));
    settings.startup = startup_of(conf, resource);

    const Option* after_sb = find(resource.net, "after-sb-0pri");
    if (after_sb == nullptr && conf.common) {
        after_sb = find(conf.common->net, "after-sb-0pri");
    }
    const auto resolved = resolve_discard_node(after_sb, *host, *peer, settings.net.after_sb_0pri);
    if (!resolved) {
        return resolved.error();
    }
    for (const VolumeConf& volume : host->volumes) {
        settings.volumes.push_back(
            volume_settings(volume,
                            *host,
                            resource,
                            inherited(Section::Disk),
                            conf.global && conf.global->udev_always_use_vnr));
    }
    for (const Option& handler : resource.handlers) {
        settings.handlers.insert_or_assign(handler.name, handler.value);
    }
    if (conf.common) {
        const Options& inherited_ones = conf.common->handlers;
        std::for_each(inherited_ones.rbegin(), inherited_ones.rend(), [&](const Option& handler) {
            settings.handlers.emplace(handler.name, handler.value);  // not if it is there
        });
    }
    return settings;
}

}  // namespace config
