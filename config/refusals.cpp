#include "config/refusals.h"

#include "config/link.h"
#include "config/parser.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

namespace config {

namespace {

using Layers = std::vector<const Options*>;  // the widest first

std::string not_supported(const Place& place, const std::string& what) {
    return prefix(place) + what + " is known but not supported by this version of drbdd\n";
}

// Of each option only the one that counts.
std::string refused_options(Section section, const Layers& layers) {
    std::string text;
    for (auto layer = layers.begin(); layer != layers.end(); ++layer) {
        for (const Option& option : **layer) {
            const bool hidden = last_of(**layer, option.name) != &option ||
                                std::any_of(layer + 1, layers.end(), [&](const Options* nearer) {
                                    return last_of(*nearer, option.name) != nullptr;
                                });
            const OptionSpec* spec = hidden ? nullptr : find_option(section, option.name);
            std::string why = spec == nullptr ? "" : check_support(*spec, section, option.value);
            if (spec != nullptr && spec->name == "cpu-mask" && !processors_of(option.value)) {
                why = "Invalid cpu-mask.";
            }
            text += why.empty() ? "" : prefix(option.place) + why + "\n";
        }
    }
    return text;
}

// An NBD export is ours alone: DRBD's kernel module has none, and drbdmeta does not reach it.
std::string refused_export(const VolumeConf& volume) {
    static constexpr std::string_view kKnown[] = {"nbd", "nbds", "nbd+unix", "nbds+unix"};
    const std::size_t end = volume.disk.find("://");
    if (end == std::string::npos) {
        return "";
    }
    const std::string scheme = volume.disk.substr(0, end);
    if (std::find(std::begin(kKnown), std::end(kKnown), scheme) == std::end(kKnown)) {
        return not_supported(volume.disk_place, "'disk " + scheme + "://'");
    }
    if (volume.meta_disk == "internal") {
        return not_supported(volume.disk_place, "'meta-disk internal' at the end of an NBD export");
    }
    return "";
}

std::string refused_backing(const HostConf& host, const Layers& around) {
    std::string text;
    for (const VolumeConf& volume : host.volumes) {
        if (volume.disk == "none") {
            text += not_supported(volume.disk_place, "'disk none'");
        }
        text += refused_export(volume);
    }
    // Of the options around the volumes each is told once.
    Layers layers = around;
    text += refused_options(Section::Disk, layers);
    for (const VolumeConf& volume : host.volumes) {
        text += refused_options(Section::Disk, {&volume.options});
    }
    return text;
}

std::string refused_address(const Place& place, const std::string& family) {
    return family == "ipv4" || family == "ipv6"
               ? ""
               : not_supported(place, "address family '" + family + "'");
}

std::string refused_connection(const ResourceConf& resource,
                               const HostConf& host,
                               const Options& common) {
    const HostConf* peer = peer_of(resource, host);
    const base::Result<Link> link = peer == nullptr ? base::Error{base::ErrorCode::NotFound, ""}
                                                    : link_between(resource, host, *peer);
    Layers layers = {&common};
    if (!link) {
        layers.push_back(&resource.net);
        return refused_options(Section::Net, layers) +
               (peer == nullptr ? "" : link.error().text + "\n");
    }
    layers.insert(layers.end(), link->net.rbegin(), link->net.rend());
    return refused_options(Section::Net, layers) +
           refused_address(host.address_place, link->address_family) +
           refused_address(peer->address_place, link->peer_address_family);
}

}  // namespace

std::string refusals_of(const DrbdConf& conf, const ResourceConf& resource, const HostConf& host) {
    static const ResourceConf kNone;
    const ResourceConf* inherited = common_of(conf, resource);
    const ResourceConf& common = inherited != nullptr ? *inherited : kNone;
    std::string text;
    for (const std::string& line : conf.refusals) {
        text += line + "\n";
    }
    for (const ResourceConf* owner : {&common, &resource}) {
        for (const std::string& line : owner->refusals) {
            text += line + "\n";
        }
    }
    text += refused_connection(resource, host, common.net);
    text += refused_options(Section::Options, {&common.options, &resource.options, &host.options});
    text += refused_backing(host, {&common.disk, &resource.disk, &host.disk});
    return text.empty() ? text : text.substr(0, text.size() - 1);
}

}  // namespace config
