#include "cli/drbdadm/show.h"

#include "cli/drbdadm/calls.h"
#include "cli/drbdadm/targets.h"
#include "config/link.h"

#include <cstdio>

namespace drbdadm {

namespace {

int print_line(const std::string& text) {
    std::printf("%s\n", text.c_str());
    return 0;
}

std::string device_of(const config::VolumeConf& volume) {
    return volume.device.empty() ? "/dev/drbd" + std::to_string(volume.minor.value_or(0))
                                 : volume.device;
}

std::string without_dev(const std::string& path) {
    return path.starts_with("/dev/") ? path.substr(5) : path;
}

// With -d or -v common is shown where it takes effect.
config::ResourceConf expanded(const config::DrbdConf& conf, config::ResourceConf resource) {
    for (const config::Section section : {config::Section::Net,
                                          config::Section::Disk,
                                          config::Section::Options,
                                          config::Section::Startup,
                                          config::Section::Handlers}) {
        resource.section(section) = config::effective_options(conf, resource, section);
    }
    return resource;
}

}  // namespace

int dump(Context& context) {
    const bool expand = context.line.dry_run || context.line.verbose;
    std::string text;
    if (context.line.operands.empty() || context.line.operands.front() == "all") {
        text = config::dump_head(context.conf);
        for (const config::ResourceConf& resource : context.conf.resources) {
            text += config::dump_resource(expand ? expanded(context.conf, resource) : resource,
                                          context.node);
        }
    } else {
        const base::Result<std::vector<Target>> targets = find_targets(context, Scope::Resource);
        if (!targets) {
            return fail(1, targets.error().text);
        }
        for (const Target& target : *targets) {
            text += config::dump_resource(
                expand ? expanded(context.conf, *target.resource) : *target.resource, context.node);
        }
    }
    std::fputs(text.c_str(), stdout);
    return 0;
}

int dump_xml(Context& context) {
    std::fputs(config::dump_xml(context.conf).c_str(), stdout);
    return 0;
}

int sh_resources(Context& context) {
    std::string names;
    for (const config::ResourceConf& resource : context.conf.resources) {
        if (resource.find_host(context.node) != nullptr &&
            resource.is_stacked(context.node) == context.line.stacked) {
            names += (names.empty() ? "" : " ") + resource.name;
        }
    }
    return names.empty() ? 0 : print_line(names);
}

int sh_mod_parms(Context& context) {
    const auto count = context.conf.global ? context.conf.global->minor_count : std::nullopt;
    return print_line("minor_count=" + std::to_string(count.value_or(32)));
}

int sh_resource(Context&, const Target& target) {
    return print_line(target.resource->name);
}

int sh_dev(Context&, const Target& target) {
    return print_line(device_of(*target.volume));
}

int sh_minor(Context&, const Target& target) {
    return print_line(std::to_string(target.volume->minor.value_or(0)));
}

int sh_ll_dev(Context&, const Target& target) {
    return print_line(target.volume->disk);
}

int sh_md_dev(Context&, const Target& target) {
    return print_line(meta_device(*target.volume));
}

// In the word of drbd.conf, where drbdmeta has one of its own.
int sh_md_idx(Context&, const Target& target) {
    const std::string index = meta_index(*target.volume);
    return print_line(index == "flex-external" ? "flexible" : index);
}

int sh_ip(Context&, const Target& target) {
    const config::HostConf* peer = config::peer_of(*target.resource, *target.host);
    const base::Result<config::Link> link =
        peer == nullptr ? base::Error{base::ErrorCode::NotFound, ""}
                        : config::link_between(*target.resource, *target.host, *peer);
    return print_line(link ? link->address.ip : target.host->address.ip);
}

int sh_lr_of(Context&, const Target& target) {
    return target.host->stacked_on.empty() ? 0 : print_line(target.host->stacked_on);
}

int sh_udev(Context& context, const Target& target) {
    const config::VolumeConf& volume = *target.volume;
    const bool always = context.conf.global && context.conf.global->udev_always_use_vnr;
    const bool by_name = volume.implicit && !always;
    print_line("RESOURCE=" + target.resource->name +
               (by_name ? "" : "/" + std::to_string(volume.number)));
    print_line("DEVICE=" + without_dev(device_of(volume)));
    return print_line("DISK=" + without_dev(volume.disk));
}

}  // namespace drbdadm
