#include "cli/drbdsetup/lookup.h"

#include "cli/common/outcome.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdio>
#include <utility>

namespace drbdsetup {

namespace {

using base::Result;
using control::Command;

std::string minor_in(const std::string& operand) {
    const std::string prefix = "/dev/drbd";
    const std::string number =
        operand.starts_with(prefix) ? operand.substr(prefix.size()) : operand;
    const bool good = !number.empty() && number.size() <= 7 &&
                      number.find_first_not_of("0123456789") == std::string::npos;
    return good ? number : "";
}

bool is_ip(config::AddressFamily family, const std::string& ip) {
    in6_addr any{};
    const std::string plain = ip.substr(0, ip.find('%'));
    const int af = family == config::AddressFamily::Ipv6 ? AF_INET6 : AF_INET;
    return ::inet_pton(af, plain.c_str(), &any) == 1;
}

bool take_port(const std::string& text, std::uint16_t& port) {
    if (text.empty() || text.size() > 5 ||
        text.find_first_not_of("0123456789") != std::string::npos) {
        return false;
    }
    const unsigned long number = std::stoul(text);
    port = static_cast<std::uint16_t>(number);
    return number >= 1 && number <= 65535;
}

}  // namespace

int fail(int exit, const std::string& text) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", text.c_str());
    return exit;
}

int fail_to_ask(const base::Error& error) {
    return fail(cli::kExitUsage, error.text);
}

int execute(cli::Client& client, control::Request request, const std::string& object) {
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    const int exit = cli::exit_code(reply->code);
    return exit == 0 ? 0 : fail(exit, cli::failure_text(object, reply->code, reply->text));
}

std::string resource_operand(const Arguments& arguments) {
    const bool all = arguments.operands.empty() || arguments.operands[0] == "all";
    return all ? "" : arguments.operands[0];
}

bool means(const control::DeviceStatus& device, const std::string& operand) {
    return operand == std::to_string(device.minor) ||
           operand == "/dev/drbd" + std::to_string(device.minor) || operand == device.device;
}

std::optional<Device> find_device(cli::Client& client, const std::string& operand, int& exit) {
    const Result<control::Snapshot> status = cli::fetch_status(client, "");
    if (!status) {
        exit = fail_to_ask(status.error());
        return std::nullopt;
    }
    for (const control::ResourceStatus& resource : status->resources) {
        for (const control::DeviceStatus& device : resource.devices) {
            if (means(device, operand)) {
                return Device{resource, device};
            }
        }
    }
    const std::string minor = minor_in(operand);
    exit = minor.empty()
               ? fail(cli::kExitUsage,
                      "Cannot determine minor device number of device '" + operand + "'")
               : fail(10, cli::failure_text(minor, control::err::kMinorInvalid, "unknown minor"));
    return std::nullopt;
}

std::optional<config::ResourceSettings> find_settings(cli::Client& client,
                                                      const std::string& resource,
                                                      int& exit,
                                                      const std::string& object) {
    control::Request request;
    request.command = Command::Show;
    request.resource = resource;
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        exit = fail_to_ask(reply.error());
        return std::nullopt;
    }
    if (reply->code != 0) {
        exit =
            fail(cli::exit_code(reply->code),
                 cli::failure_text(object.empty() ? resource : object, reply->code, reply->text));
        return std::nullopt;
    }
    Result<config::ResourceSettings> settings = control::settings_from_json(reply->data);
    if (!settings) {
        exit = fail_to_ask(settings.error());
        return std::nullopt;
    }
    return std::move(*settings);
}

std::optional<std::string> find_resource_of_addresses(cli::Client& client,
                                                      const std::string& local,
                                                      const std::string& peer,
                                                      int& exit) {
    const auto own = parse_address(local);
    const auto other = parse_address(peer);
    if (!own || !other) {
        exit = fail(cli::kExitUsage, "'" + (own ? peer : local) + "' is no address");
        return std::nullopt;
    }
    const Result<control::Snapshot> status = cli::fetch_status(client, "");
    if (!status) {
        exit = fail_to_ask(status.error());
        return std::nullopt;
    }
    for (const control::ResourceStatus& resource : status->resources) {
        const auto settings = find_settings(client, resource.name, exit);
        if (settings && config::canonical(settings->address) == *own &&
            config::canonical(settings->peer_address) == *other) {
            exit = 0;
            return resource.name;
        }
    }
    exit = fail(10, cli::failure_text("??", control::err::kInvalidRequest, "unknown connection"));
    return std::nullopt;
}

std::optional<config::Address> parse_address(const std::string& text) {
    std::string rest = text;
    for (const char* prefix : {"local:", "peer:"}) {
        rest = rest.starts_with(prefix) ? rest.substr(std::string(prefix).size()) : rest;
    }
    config::Address address;
    address.port = 7788;
    if (rest.starts_with("ipv6:") || rest.starts_with("[")) {
        address.family = config::AddressFamily::Ipv6;
        rest = rest.substr(std::min(rest.find('['), rest.size()));
        const std::size_t end = rest.find(']');
        if (!rest.starts_with("[") || end == std::string::npos) {
            return std::nullopt;
        }
        address.ip = rest.substr(1, end - 1);
        rest = rest.substr(end + 1);
    } else {
        rest = rest.starts_with("ipv4:") ? rest.substr(5) : rest;
        const std::size_t end = std::min(rest.find(':'), rest.size());
        address.ip = rest.substr(0, end);
        rest = rest.substr(end);
    }
    const bool good_port =
        rest.empty() || (rest[0] == ':' && take_port(rest.substr(1), address.port));
    if (!good_port || !is_ip(address.family, address.ip)) {
        return std::nullopt;
    }
    return config::canonical(address);
}

}  // namespace drbdsetup
