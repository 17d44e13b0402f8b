#include "cli/drbdadm/calls.h"

#include "cli/common/child.h"
#include "config/link.h"

#include <algorithm>
#include <optional>

namespace drbdadm {

namespace {

std::string option_word(const config::Option& option) {
    return " " + cli::shell_quoted("--" + option.name + "=" + option.value);
}

std::string option_words(const config::Options& options) {
    std::string words;
    for (const config::Option& option : options) {
        words += option_word(option);
    }
    return words;
}

// "sdp:10.9.9.1:7797" of a family that only the original's kernel knows.
std::string endpoint_words(const config::Address& address, const std::string& family) {
    const std::string words = config::to_string(address);
    const bool known = family.empty() || family == "ipv4" || family == "ipv6";
    return cli::shell_quoted(known ? words : family + words.substr(words.find(':')));
}

// Ours and the peer's: in DRBD 9's style a path may have them.
std::string address_words(const Target& target) {
    const config::HostConf* peer = config::peer_of(*target.resource, *target.host);
    if (peer == nullptr) {
        return endpoint_words(target.host->address, target.host->address_family) + " N/A";
    }
    const base::Result<config::Link> link =
        config::link_between(*target.resource, *target.host, *peer);
    if (!link) {
        return endpoint_words(target.host->address, target.host->address_family) + " " +
               endpoint_words(peer->address, peer->address_family);
    }
    return endpoint_words(link->address, link->address_family) + " " +
           endpoint_words(link->peer_address, link->peer_address_family);
}

// The original passes the minor on.
config::Option with_minor(const Context& context, config::Option option) {
    if (option.name == "resync-after") {
        option.value = config::minor_that_is_first(context.conf, context.node, option.value);
    }
    return option;
}

}  // namespace

std::string minor_of(const config::VolumeConf& volume) {
    return std::to_string(volume.minor.value_or(0));
}

std::string meta_device(const config::VolumeConf& volume) {
    return volume.meta_disk.empty() || volume.meta_disk == "internal" ? volume.disk
                                                                      : volume.meta_disk;
}

std::string meta_index(const config::VolumeConf& volume) {
    if (volume.meta_disk.empty() || volume.meta_disk == "internal") {
        return "internal";
    }
    return volume.meta_index ? std::to_string(*volume.meta_index) : "flex-external";
}

std::string drbdmeta_words(const config::VolumeConf& volume, const std::string& command) {
    return "drbdmeta " + minor_of(volume) + " v08 " + cli::shell_quoted(meta_device(volume)) + " " +
           meta_index(volume) + " " + command;
}

std::string new_resource_words(const Target& target) {
    return "drbdsetup new-resource " + target.resource->name;
}

std::string new_minor_words(const Target& target, const config::VolumeConf& volume) {
    return "drbdsetup new-minor " + target.resource->name + " " + minor_of(volume) + " " +
           std::to_string(volume.number);
}

// The word of drbd.conf here, "flexible", and drbdmeta's own there: the original does it so.
std::string attach_words(const config::VolumeConf& volume) {
    const std::string index = meta_index(volume);
    return "drbdsetup attach " + minor_of(volume) + " " + cli::shell_quoted(volume.disk) + " " +
           cli::shell_quoted(meta_device(volume)) + " " +
           (index == "flex-external" ? "flexible" : index);
}

std::string connect_words(const Target& target) {
    return "drbdsetup connect " + target.resource->name + " " + address_words(target);
}

std::string disconnect_words(const Target& target) {
    return "drbdsetup disconnect " + address_words(target);
}

std::string net_options_words(const Target& target) {
    return "drbdsetup net-options " + address_words(target);
}

std::string disk_option_words(const Context& context, const Target& target) {
    config::Options options = target.volume->options;
    std::reverse(options.begin(), options.end());
    config::Options general = target.host->disk;
    const config::Options inherited =
        config::effective_options(context.conf, *target.resource, config::Section::Disk);
    general.insert(general.end(), inherited.rbegin(), inherited.rend());
    for (const config::Option& option : general) {
        const bool is_set = std::any_of(
            options.begin(), options.end(), [&](const auto& o) { return o.name == option.name; });
        if (!is_set) {
            options.push_back(option);
        }
    }
    std::string words;
    for (const config::Option& option : options) {
        words += option_word(with_minor(context, option));
    }
    return words;
}

std::string net_option_words(const Context& context, const Target& target) {
    return option_words(
        config::effective_options(context.conf, *target.resource, config::Section::Net));
}

std::string resource_option_words(const Context& context, const Target& target) {
    config::Options options =
        config::effective_options(context.conf, *target.resource, config::Section::Options);
    options.insert(options.end(), target.host->options.begin(), target.host->options.end());
    return option_words(options);
}

std::string timeout_words(const Context& context, const Target& target) {
    const config::Options startup =
        config::effective_options(context.conf, *target.resource, config::Section::Startup);
    const config::Option* as_said = config::last_of(startup, "stacked-timeouts");
    if (!target.host->stacked_on.empty() && (as_said == nullptr || as_said->value == "no")) {
        return " --wfc-timeout 20";
    }
    std::string words;
    for (const config::Option& option : startup) {
        const bool is_for_waiting =
            option.name != "become-primary-on" && option.name != "stacked-timeouts";
        words += is_for_waiting ? option_word(option) : "";
    }
    return words;
}

}  // namespace drbdadm
