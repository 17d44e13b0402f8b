#include "cli/drbdsetup/show.h"

#include "cli/common/outcome.h"
#include "cli/drbdsetup/lookup.h"
#include "config/options.h"

#include <cstdio>
#include <type_traits>
#include <utility>

namespace drbdsetup {

namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out + "\"";
}

// A number is shown in the unit in which a file has it without one.
std::string unit_of(std::string_view name, const config::OptionSpec& spec) {
    if (spec.scale == 's' || name == "sndbuf-size" || name == "rcvbuf-size") {
        return "bytes";
    }
    return spec.scale == 'k' ? "bytes/second" : "";
}

struct Shown {
    std::string value;
    std::string unit;
};

template <typename T>
Shown shown(std::string_view name, const config::OptionSpec& spec, const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        return {value ? "yes" : "no", ""};
    } else if constexpr (std::is_same_v<T, std::string>) {
        return {quoted(value), ""};
    } else if constexpr (std::is_enum_v<T>) {
        return {std::string(config::word(value)), ""};
    } else if constexpr (std::is_same_v<T, config::Deciseconds>) {
        return {std::to_string(value.count()), "1/10 seconds"};
    } else if constexpr (std::is_same_v<T, config::Seconds>) {
        return {std::to_string(value.count()), "seconds"};
    } else if constexpr (std::is_integral_v<T>) {
        const std::string scale = spec.scale == ' ' ? "" : std::string(1, spec.scale);
        return {std::to_string(value) + scale, unit_of(name, spec)};
    } else {
        return value ? shown(name, spec, *value) : Shown{};  // std::optional
    }
}

// A visitor for the for_each_..._option() functions that prints a section's lines.
class OptionPrinter {
public:
    OptionPrinter(std::string& out, std::size_t indent, config::Section section, bool defaults)
        : out_(out), indent_(indent), section_(section), defaults_(defaults) {}

    template <typename T>
    void print(std::string_view name, const T& value, const T& by_default) {
        const config::OptionSpec* spec = config::find_option(section_, name);
        const bool is_default = value == by_default;
        const Shown text = shown(name, *spec, value);
        if ((is_default && !defaults_) || text.value.empty()) {
            return;
        }
        std::string comment = text.unit;
        comment += is_default ? std::string(comment.empty() ? "" : ", ") + "default" : "";
        const std::size_t pad = name.size() < 16 ? 16 - name.size() : 0;
        out_ += std::string(indent_, ' ') + std::string(name) + std::string(pad, ' ') + "\t" +
                text.value + ";" + (comment.empty() ? "" : " # " + comment) + "\n";
    }

private:
    std::string& out_;
    std::size_t indent_;
    config::Section section_;
    bool defaults_;
};

// Visits the members of two settings side by side: both lists are in the same order.
template <typename Settings, typename ForEach>
void print_options(OptionPrinter printer, const Settings& settings, ForEach&& for_each) {
    const Settings defaults;
    for_each(settings, [&](std::string_view name, const auto& value) {
        for_each(defaults, [&](std::string_view other, const auto& by_default) {
            if constexpr (std::is_same_v<decltype(value), decltype(by_default)>) {
                if (name == other) {
                    printer.print(name, value, by_default);
                }
            }
        });
    });
}

std::string address_text(const config::Address& address) {
    const bool v6 = address.family == config::AddressFamily::Ipv6;
    return "address\t\t\t" + std::string(v6 ? "ipv6 [" : "ipv4 ") + address.ip + (v6 ? "]" : "") +
           ":" + std::to_string(address.port) + ";\n";
}

std::string meta_disk_text(const config::VolumeSettings& volume) {
    if (volume.meta_disk.empty()) {
        return "internal";
    }
    return quoted(volume.meta_disk) +
           (volume.meta_index ? " [ " + std::to_string(*volume.meta_index) + " ]" : "");
}

void add_volume(std::string& out, const config::VolumeSettings& volume, bool defaults) {
    out += "        volume " + std::to_string(volume.number) + " {\n";
    out += "            device\t\t\tminor " + std::to_string(volume.minor) + ";\n";
    if (!volume.disk.empty()) {
        out += "            disk\t\t\t" + quoted(volume.disk) + ";\n";
        out += "            meta-disk\t\t\t" + meta_disk_text(volume) + ";\n";
    }
    std::string options;
    print_options(
        OptionPrinter(options, 16, config::Section::Disk, defaults),
        volume.options,
        [](const auto& disk, auto&& visit) { config::for_each_disk_option(disk, visit); });
    out += options.empty() ? "" : "            disk {\n" + options + "            }\n";
    out += "        }\n";
}

}  // namespace

std::string show_text(const config::ResourceSettings& settings, bool stand_alone, bool defaults) {
    std::string out = "resource " + settings.name + " {\n    options {\n";
    print_options(OptionPrinter(out, 8, config::Section::Options, defaults),
                  settings,
                  [](const auto& resource, auto&& visit) {
                      config::for_each_resource_option(resource, visit);
                  });
    out += "    }\n";
    const bool connected = !stand_alone && !settings.peer_address.ip.empty();
    if (connected) {
        out += "    net {\n";
        print_options(
            OptionPrinter(out, 8, config::Section::Net, defaults),
            settings.net,
            [](const auto& net, auto&& visit) { config::for_each_net_option(net, visit); });
        out +=
            "    }\n    _remote_host {\n        " + address_text(settings.peer_address) + "    }\n";
    }
    out += "    _this_host {\n";
    out += connected ? "        " + address_text(settings.address) : "";
    for (const config::VolumeSettings& volume : settings.volumes) {
        add_volume(out, volume, defaults);
    }
    return out + "    }\n}\n";
}

int show(const Arguments& arguments, cli::Client& client) {
    const std::string wanted = resource_operand(arguments);
    const base::Result<control::Snapshot> status = cli::fetch_status(client, wanted);
    if (!status) {
        return fail_to_ask(status.error());
    }
    if (status->resources.empty() && !wanted.empty()) {
        const int code = control::err::kResourceNotKnown;
        return fail(cli::exit_code(code), cli::failure_text(wanted, code, ""));
    }
    for (const control::ResourceStatus& resource : status->resources) {
        int exit = 0;
        const auto settings = find_settings(client, resource.name, exit);
        if (!settings) {
            return exit;
        }
        const bool stand_alone =
            resource.connections.empty() || resource.connections.front().cstate == "StandAlone";
        std::fputs(show_text(*settings, stand_alone, arguments.show_defaults).c_str(), stdout);
    }
    return 0;
}

}  // namespace drbdsetup
