// Resources, hosts and their volumes. Configuration specification, section 3.
#include "config/parser.h"

#include <algorithm>
#include <utility>

namespace config {

namespace {

constexpr std::uint32_t kMaxNodeId = 31;

constexpr std::string_view kResourceStatement =
    "protocol | on | disk | net | syncer | startup | handlers | ignore-on | stacked-on-top-of";
constexpr std::string_view kHostStatement =
    "disk | device | address | meta-disk | flexible-meta-disk";
constexpr std::string_view kAddressFamily = "ssocks | sdp | ipv4 | ipv6 | <ipv4 address> ";

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The volume of this number, made if there is none; the list stays sorted.
VolumeConf& volume_of(std::vector<VolumeConf>& volumes, std::uint16_t number, const Place& place) {
    const auto at = std::lower_bound(
        volumes.begin(), volumes.end(), number, [](const VolumeConf& volume, std::uint16_t n) {
            return volume.number < n;
        });
    if (at != volumes.end() && at->number == number) {
        return *at;
    }
    VolumeConf volume;
    volume.number = number;
    volume.place = place;
    return *volumes.insert(at, volume);
}

}  // namespace

void Parser::parse_resource(const Token& keyword) {
    ResourceConf resource;
    const Token name = take();
    if (!name.is_name()) {
        fail_expected("resource name", name);
        return;
    }
    resource.name = name.text;
    resource.place = place_of(keyword);
    resource.canonical_file = files_.canonical(source_->name);
    if (const std::string conflict = uses_.use("resource section", resource.name, resource.place);
        !conflict.empty()) {
        out_.errors.push_back(conflict);
        skip_block();  // or each of its statements would be one more conflict
        return;
    }
    if (resource.name.empty()) {
        complain(resource.place, "Resource name is empty.");
    } else if (resource.name == "all") {
        complain(resource.place,
                 "a resource cannot be named 'all': commands take that word for every resource");
    } else if (resource.name.find_first_of("/: \t") != std::string::npos ||
               std::any_of(resource.name.begin(), resource.name.end(), [](char c) {
                   return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
               })) {
        complain(resource.place,
                 "Resource name is invalid - please don't use control characters, blanks, '/' "
                 "or ':'.");
    }
    refusals_ = &resource.refusals;
    parse_block([&] { parse_resource_statement(resource); });
    out_.conf.resources.push_back(std::move(resource));
}

void Parser::parse_resource_statement(ResourceConf& resource) {
    const std::string owner = resource.name.empty() ? "common" : resource.name;
    if (parse_backing_statement({resource.volumes, resource.disk, owner, false})) {
        return;
    }
    const Token keyword = take();
    if (keyword.is("on")) {
        parse_host(resource, keyword);
    } else if (keyword.is("volume")) {
        parse_volume(resource.volumes, resource.name);
    } else if (keyword.is("skip")) {
        skip_block();
    } else if (keyword.is("floating")) {
        parse_floating(resource, keyword);
    } else if (keyword.is("stacked-on-top-of")) {
        parse_stacked(resource, keyword);
    } else if (keyword.is("ignore-on")) {
        skip_statement();  // that host's section, said to be none
    } else if (keyword.is("proxy")) {
        skip_block();  // how a proxy would be run; that there is one, a host's section says
    } else if (!parse_options_statement(resource, keyword) &&
               !parse_connection_statement(resource, keyword)) {
        fail_expected(kResourceStatement, keyword);
    }
}

void Parser::parse_host(ResourceConf& resource, const Token& keyword) {
    HostConf host;
    host.place = place_of(keyword);
    do {
        const Token name = take();
        if (!name.is_value()) {
            fail_expected("hostname", name);
            return;
        }
        require_unique("host section", resource.name + ": on " + name.text, host.place);
        host.names.push_back(name.text);
    } while (!stopped_ && !peek().is('{'));
    const std::string owner = resource.name + ":" + host.names.front();
    parse_block([&] { parse_host_statement(host, owner); });
    resource.hosts.push_back(std::move(host));
}

// It has no name but its address: on whichever machine that is, the section is its own.
void Parser::parse_floating(ResourceConf& resource, const Token& keyword) {
    HostConf host;
    host.place = place_of(keyword);
    host.floating = true;
    parse_address(host);
    const bool v6 = host.address.family == AddressFamily::Ipv6;
    host.names.push_back((v6 ? "ipv6 [" + host.address.ip + "]" : host.address.ip) + ":" +
                         std::to_string(host.address.port));
    host.is_this = files_.has_address(host.address.ip);
    require_unique("host section", resource.name + ": on " + host.names.front(), host.place);
    if (!accept(';')) {
        const std::string owner = resource.name + ":" + host.names.front();
        parse_block([&] { parse_host_statement(host, owner); });
    }
    resource.hosts.push_back(std::move(host));
}

// A resource whose disk is another one's device. Which hosts it is for, the lower one says.
void Parser::parse_stacked(ResourceConf& resource, const Token& keyword) {
    HostConf host;
    host.place = place_of(keyword);
    host.stacked_on = take_value("resource name");
    require_unique("stacked-on-top-of", "stacked:" + host.stacked_on, host.place);
    const std::string owner = resource.name + ":" + host.stacked_on;
    parse_block([&] { parse_host_statement(host, owner); });
    resource.hosts.push_back(std::move(host));
}

void Parser::skip_statement() {
    while (!stopped_ && !peek().is('{') && !accept(';')) {
        if (const Token token = take(); token.kind == Token::Kind::End) {
            fail_expected("{", token);
        }
    }
    if (peek().is('{')) {
        skip_block();
    }
}

void Parser::parse_host_statement(HostConf& host, const std::string& owner) {
    if (parse_backing_statement({host.volumes, host.disk, owner, false})) {
        return;
    }
    const Token keyword = take();
    if (keyword.is("address")) {
        require_unique("address statement", owner + ":address", place_of(keyword));
        if (host.floating) {
            complain(place_of(keyword), "a 'floating' section has its address in its head");
        }
        parse_address(host);
        expect(';');
    } else if (keyword.is("node-id")) {
        require_unique("node-id statement", owner + ":node-id", place_of(keyword));
        host.node_id = take_number("node-id", 0, kMaxNodeId);
        expect(';');
    } else if (keyword.is("options")) {
        require_unique("options section", owner + ":options", place_of(keyword));
        parse_section(host.options, Section::Options);
    } else if (keyword.is("alternate-link-address")) {
        HostConf ignored;
        parse_address(ignored);
        expect(';');
    } else if (keyword.is("volume")) {
        parse_volume(host.volumes, owner);
    } else if (keyword.is("skip")) {
        skip_block();
    } else if (keyword.is("proxy")) {
        refuse("'proxy'", place_of(keyword));
        skip_block();
    } else {
        fail_expected(kHostStatement, keyword);
    }
}

void Parser::parse_address(HostConf& host) {
    const Token first = take();
    const bool v6 = first.is("ipv6");
    host.address_place = place_of(first);
    host.address_family = first.kind == Token::Kind::Ipv4 ? "ipv4" : first.text;
    host.address.family = v6 ? AddressFamily::Ipv6 : AddressFamily::Ipv4;
    if (v6) {
        if (!expect('[')) {
            return;
        }
        const Token ip = take();
        if (ip.kind != Token::Kind::Ipv6) {
            fail_expected("IPv6 address", ip);
        }
        host.address.ip = ip.text;
        expect(']');
    } else if (first.kind == Token::Kind::Ipv4) {
        host.address.ip = first.text;
    } else if (first.is("ipv4") || first.is("sdp") || first.is("ssocks") || first.is("sci")) {
        const Token ip = take();
        if (ip.kind != Token::Kind::Ipv4) {
            fail_expected("IPv4 address", ip);
        }
        host.address.ip = ip.text;
    } else {
        fail_expected(kAddressFamily, first);
    }
    expect(':');
    if (!stopped_) {
        host.address.port = static_cast<std::uint16_t>(take_number("port", 1, 65535));
    }
}

// --- volumes ---

void Parser::parse_volume(std::vector<VolumeConf>& volumes, const std::string& owner) {
    const Place place = place_of(peek());
    const auto number = static_cast<std::uint16_t>(take_number("volume", 0, kMaxVolume));
    const std::string named = owner + ":volume " + std::to_string(number);
    require_unique("volume section", named, place);
    // Statements go into a list of their own, so that this volume is the only one they can mean.
    std::vector<VolumeConf> own;
    volume_of(own, number, place);
    parse_block([&] {
        if (peek().is("skip")) {
            skip_block();
        } else if (!parse_backing_statement({own, own.front().options, named, true})) {
            fail_expected("device | disk | meta-disk | flexible-meta-disk", peek());
        }
    });
    VolumeConf& volume = volume_of(volumes, number, place);
    if (volume.implicit) {
        complain(place, "mixing explicit and implicit volumes is not allowed");
    }
    volume = std::move(own.front());
}

// device, disk, meta-disk, flexible-meta-disk. False, and nothing taken, if the next statement is
// another one.
bool Parser::parse_backing_statement(const VolumeScope& scope) {
    const Token keyword = peek();
    const Place place = place_of(keyword);
    const auto unique = [&](const std::string& what) {
        require_unique(what + " statement", scope.owner + ":" + what, place);
    };
    if (keyword.is("disk")) {
        take();
        parse_backing_disk(scope, place);
    } else if (keyword.is("device")) {
        take();
        unique("device");
        parse_device(volume_in(scope, place));
    } else if (keyword.is("meta-disk") || keyword.is("flexible-meta-disk")) {
        take();
        unique("meta-disk");
        parse_meta_disk(volume_in(scope, place), keyword.text != "meta-disk", place);
    } else {
        return false;
    }
    return true;
}

// "disk" is followed by the backing device's name, or by options.
void Parser::parse_backing_disk(const VolumeScope& scope, const Place& place) {
    if (peek().is('{')) {
        require_unique("disk section", scope.owner + ":disk", place);
        parse_section(scope.options, Section::Disk);
        return;
    }
    require_unique("disk statement", scope.owner + ":disk", place);
    VolumeConf& volume = volume_in(scope, place);
    volume.disk = take_value("disk name");
    expect(';');
    volume.disk_place = place;
}

VolumeConf& Parser::volume_in(const VolumeScope& scope, const Place& place) {
    if (scope.is_volume) {
        return scope.volumes.front();
    }
    const bool mixed = std::any_of(scope.volumes.begin(),
                                   scope.volumes.end(),
                                   [](const VolumeConf& volume) { return !volume.implicit; });
    if (mixed) {
        complain(place, "mixing explicit and implicit volumes is not allowed");
    }
    VolumeConf& volume = volume_of(scope.volumes, 0, place);
    volume.implicit = true;
    return volume;
}

void Parser::parse_device(VolumeConf& volume) {
    const Token first = take();
    const Place place = place_of(first);
    bool has_minor = first.is("minor");
    if (!has_minor) {
        if (!first.is_name()) {
            fail_expected("device name | minor", first);
            return;
        }
        volume.device = first.text.starts_with("drbd") ? "/dev/" + first.text : first.text;
        has_minor = peek().is("minor");
        if (has_minor) {
            take();
        }
    }
    if (has_minor) {
        volume.minor = take_number("minor", 0, kMaxMinor);
    }
    expect(';');
    if (!volume.device.empty() && !stopped_) {
        check_device_name(volume, has_minor, place);
    }
}

void Parser::check_device_name(VolumeConf& volume, bool has_minor, const Place& place) {
    constexpr std::string_view kPrefix = "/dev/drbd";
    const bool good_prefix = volume.device.starts_with(kPrefix);
    const std::string rest = good_prefix ? volume.device.substr(kPrefix.size()) : "";
    if (!good_prefix) {
        complain(place,
                 "device name must start with /dev/drbd\n\t(/dev/ is optional, but drbd is "
                 "required)");
    }
    if (all_digits(rest)) {
        const Number number = parse_number(rest, ' ');
        if (number.problem != Number::Problem::None || number.value > kMaxMinor) {
            complain(
                place,
                "device minor " + rest + " out of range [0.." + std::to_string(kMaxMinor) + "].");
        } else if (has_minor && *volume.minor != number.value) {
            complain(place,
                     "explicit minor number must match with device name\n\tTry \"device "
                     "/dev/drbd" +
                         std::to_string(*volume.minor) + " minor " + std::to_string(*volume.minor) +
                         ";\",\n\tor leave off either device name or explicit minor.\n"
                         "\tArbitrary device names must start with /dev/drbd_\n"
                         "\tmind the '_'! (/dev/ is optional, but drbd_ is required)");
        } else {
            volume.minor = static_cast<std::uint32_t>(number.value);
        }
    } else if (!rest.starts_with('_') || rest.find('/') != std::string::npos) {
        complain(place,
                 "arbitrary device name must start with /dev/drbd_\n\tmind the '_'! (/dev/ is "
                 "optional, but drbd_ is required)");
    } else if (!has_minor) {
        complain(place,
                 "no minor given nor device name contains a minor number\n\tTry \"device " +
                     volume.device + " minor N;\"");
    }
}

void Parser::parse_meta_disk(VolumeConf& volume, bool flexible, const Place& place) {
    volume.meta_disk = take_value("meta-disk name");
    if (!flexible && accept('[')) {
        volume.meta_index = take_number("meta-index", 0, kMaxVolume);
        expect(']');
    }
    expect(';');
    volume.meta_place = place;
}

}  // namespace config
