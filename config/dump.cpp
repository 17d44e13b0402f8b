// drbd.conf back to text, in the form of the original's `drbdadm dump` (8.4).
// Configuration specification, section 4.3.
#include "base/log.h"
#include "config/drbd_conf.h"

#include <algorithm>
#include <cctype>

namespace config {

namespace {

std::string quoted(const std::string& text) {
    // A word may have 128 characters, a string more.
    const bool plain =
        !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                   std::string_view("/._-").find(c) != std::string_view::npos;
        });
    if (plain) {
        return text;
    }
    std::string out = "\"";
    for (const char c : text) {
        out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out + "\"";
}

std::string spaces(std::size_t count) {
    return std::string(count, ' ');
}

// "name            value;" at `indent`, the value starting at column 25 (or after the name).
std::string statement(std::size_t indent, const std::string& name, const std::string& value) {
    const std::size_t width = indent < 24 ? 24 - indent : 0;
    const std::string padding = name.size() < width ? spaces(width - name.size()) : "";
    return spaces(indent) + name + padding + " " + value + ";\n";
}

std::string option_value(const Option& option, Section section) {
    // A list of hosts and "both" are words, not one string.
    if (section == Section::Startup && option.name == "become-primary-on") {
        return option.value;
    }
    const std::string value = quoted(option.value);
    return value.size() < 3 ? spaces(3 - value.size()) + value : value;
}

std::string dump_options(std::size_t indent,
                         std::string_view name,
                         const Options& options,
                         Section section) {
    if (options.empty()) {
        return "";
    }
    std::string out = spaces(indent) + std::string(name) + " {\n";
    const auto add = [&](const Option& option) {
        const std::size_t inner = indent + 4;
        const std::size_t width = 16;
        const std::string padding =
            option.name.size() < width ? spaces(width - option.name.size()) : "";
        out += spaces(inner) + option.name + padding + " " + option_value(option, section) + ";\n";
    };
    // The original keeps become-primary-on apart, the last of them, and prints it last.
    std::for_each(options.begin(), options.end(), [&](const Option& option) {
        if (option.name != "become-primary-on") {
            add(option);
        }
    });
    const auto last = std::find_if(options.rbegin(), options.rend(), [](const Option& option) {
        return option.name == "become-primary-on";
    });
    if (last != options.rend()) {
        add(*last);
    }
    return out + spaces(indent) + "}\n";
}

// Deeper ones of 9 take a narrower column.
std::string dump_nested(std::size_t indent,
                        std::string_view name,
                        const Options& options,
                        Section section) {
    if (options.empty()) {
        return "";
    }
    std::string out = spaces(indent) + std::string(name) + " {\n";
    const std::size_t width = indent < 16 ? 20 - indent : 4;
    for (const Option& option : options) {
        const std::string padding =
            option.name.size() < width ? spaces(width - option.name.size()) : "";
        out += spaces(indent + 4) + option.name + padding + " " + option_value(option, section) +
               ";\n";
    }
    return out + spaces(indent) + "}\n";
}

std::string dump_sections(std::size_t indent, const ResourceConf& resource) {
    std::string out;
    for (const Section section :
         {Section::Options, Section::Net, Section::Disk, Section::Startup, Section::Handlers}) {
        out += dump_options(indent, section_name(section), resource.section(section), section);
    }
    return out;
}

// Another device stands in a column of its own, in each volume the same.
std::string dump_meta_disk(std::size_t indent, const VolumeConf& volume) {
    const std::string index =
        volume.meta_index ? " [" + std::to_string(*volume.meta_index) + "]" : "";
    return volume.meta_disk == "internal"
               ? statement(indent, "meta-disk", volume.meta_disk)
               : spaces(indent) + "meta-disk        " + quoted(volume.meta_disk) + index + ";\n";
}

std::string dump_volume(std::size_t indent, const VolumeConf& volume, bool stacked) {
    std::string device = volume.device.empty() ? "" : quoted(volume.device) + " ";
    if (volume.minor) {
        device += "minor " + std::to_string(*volume.minor);
    }
    std::string out = statement(indent, "device", device);
    if (!stacked) {
        out += statement(indent, "disk", quoted(volume.disk));
        out += dump_meta_disk(indent, volume);
    }
    return out + dump_options(indent, "disk", volume.options, Section::Disk);
}

std::string dump_address(const HostConf& host) {
    const bool v6 = host.address.family == AddressFamily::Ipv6;
    return host.address_family + " " + (v6 ? "[" + host.address.ip + "]" : host.address.ip) + ":" +
           std::to_string(host.address.port);
}

// "on alpha {", "floating ipv4 10.0.0.1:7788 {", "stacked-on-top-of lower {".
std::string dump_host_head(const HostConf& host) {
    if (host.floating) {
        return "    floating " + dump_address(host) + " {\n";
    }
    std::string names;
    for (const std::string& name : host.names) {
        names += " " + quoted(name);
    }
    return host.stacked_on.empty() ? "    on" + names + " {\n"
                                   : "    stacked-on-top-of " + quoted(host.stacked_on) +
                                         " {\n        # on" + names + " \n";
}

std::string dump_endpoint(std::size_t indent, const EndpointConf& end) {
    std::string out = spaces(indent) + "host " + quoted(end.host);
    if (!end.address_family.empty()) {
        HostConf host;
        host.address_family = end.address_family;
        host.address = end.address;
        out += "             address         " + dump_address(host);
    }
    return out + (end.port ? " port " + std::to_string(*end.port) : "") + ";\n";
}

std::string dump_connection(const ConnectionConf& connection) {
    std::string out = "    connection " + connection.name + (connection.name.empty() ? "" : " ");
    out += "{\n";
    for (const EndpointConf& end : connection.ends) {
        out += dump_endpoint(8, end);
    }
    for (const std::vector<EndpointConf>& path : connection.paths) {
        out += "        path {\n";
        for (const EndpointConf& end : path) {
            out += dump_endpoint(12, end);
        }
        out += "        }\n";
    }
    out += dump_nested(8, "net", connection.net, Section::Net);
    out += dump_nested(8, "disk", connection.disk, Section::Disk);
    for (const auto& [number, options] : connection.volumes) {
        out += "        volume " + std::to_string(number) + " {\n" +
               dump_nested(12, "disk", options, Section::Disk) + "        }\n";
    }
    return out + "    }\n";
}

std::string dump_mesh(const MeshConf& mesh) {
    std::string out = "    connection-mesh {\n        hosts";
    for (const std::string& host : mesh.hosts) {
        out += " " + quoted(host);
    }
    return out + ";\n" + dump_nested(8, "net", mesh.net, Section::Net) + "    }\n";
}

std::string dump_host(const HostConf& host) {
    std::string out = dump_host_head(host);
    if (host.node_id) {
        out += "        node-id " + std::to_string(*host.node_id) + ";\n";
    }
    out += dump_nested(8, "options", host.options, Section::Options);
    for (const VolumeConf& volume : host.volumes) {
        if (volume.implicit) {
            out += dump_volume(8, volume, !host.stacked_on.empty());
        } else {
            out += "        volume " + std::to_string(volume.number) + " {\n" +
                   dump_volume(12, volume, !host.stacked_on.empty()) + "        }\n";
        }
    }
    out += dump_options(8, "disk", host.disk, Section::Disk);
    if (!host.floating && !host.address_family.empty()) {
        out += statement(8, "address", dump_address(host));
    }
    return out + "    }\n";
}

}  // namespace

std::string dump_head(const DrbdConf& conf) {
    std::string out = "# " + conf.file + "\n";
    if (conf.global) {
        const GlobalConf& global = *conf.global;
        const auto add = [&](const std::string& name, const std::string& value) {
            out += "    " + name + (value.empty() ? "" : " " + value) + ";\n";
        };
        const auto add_number = [&](const std::string& name,
                                    const std::optional<std::uint32_t>& number) {
            if (number) {
                add(name, std::to_string(*number));
            }
        };
        out += "global {\n";
        if (global.disable_ip_verification) {
            add("disable-ip-verification", "");
        }
        if (global.udev_always_use_vnr) {
            add("udev-always-use-vnr", "");
        }
        add_number("minor-count", global.minor_count);
        add_number("dialog-refresh", global.dialog_refresh);
        if (!global.usage_count.empty()) {
            add("usage-count", global.usage_count);
        }
        add_number("cmd-timeout-short", global.cmd_timeout_short);
        // The original prints these two also when the file does not have them.
        add_number("cmd-timeout-medium", global.cmd_timeout_medium.value_or(600));
        add_number("cmd-timeout-long", global.cmd_timeout_long.value_or(0));
        out += "}\n\n";
    }
    if (conf.common) {
        out += "common {\n" + dump_sections(4, *conf.common) + "}\n\n";
    }
    return out;
}

std::string dump_resource(const ResourceConf& resource, std::string_view node) {
    std::string out = "# resource " + resource.name + " on " + std::string(node) + ": " +
                      (resource.find_host(node) != nullptr ? "not ignored" : "ignored") +
                      (resource.is_stacked(node) ? ", stacked" : ", not stacked") +
                      "\n# defined at " + resource.canonical_file + ":" +
                      std::to_string(resource.place.line) + "\nresource " + quoted(resource.name) +
                      " {\n";
    if (!resource.template_file.empty()) {
        out += "    template-file " + quoted(resource.template_file) + ";\n";
    }
    for (const HostConf& host : resource.hosts) {
        out += dump_host(host);
    }
    for (const ConnectionConf& connection : resource.connections) {
        out += dump_connection(connection);
    }
    for (const MeshConf& mesh : resource.meshes) {
        out += dump_mesh(mesh);
    }
    return out + dump_sections(4, resource) + "}\n\n";
}

std::string dump(const DrbdConf& conf, std::string_view node) {
    std::string out = dump_head(conf);
    for (const ResourceConf& resource : conf.resources) {
        out += dump_resource(resource, node);
    }
    return out;
}

}  // namespace config
