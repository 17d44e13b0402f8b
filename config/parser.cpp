#include "config/parser.h"

#include <algorithm>
#include <array>
#include <utility>

namespace config {

namespace {

constexpr std::uint32_t kMaxMinor = (1u << 20) - 1;
constexpr std::uint32_t kMaxVolume = 65535;
constexpr std::size_t kMaxIncludedFiles = 1024;

constexpr std::string_view kTopLevel = "global | common | resource | skip | include";
constexpr std::string_view kGlobalStatement =
    "dialog-refresh | minor-count | disable-ip-verification";
constexpr std::string_view kResourceStatement =
    "protocol | on | disk | net | syncer | startup | handlers | ignore-on | stacked-on-top-of";
constexpr std::string_view kHostStatement =
    "disk | device | address | meta-disk | flexible-meta-disk";
constexpr std::string_view kAddressFamily = "ssocks | sdp | ipv4 | ipv6 | <ipv4 address> ";
constexpr std::string_view kOption = "an option keyword";
constexpr std::string_view kSyncerOption = "a syncer option keyword";

std::string cut(const std::string& text) {
    return text.size() > 20 ? text.substr(0, 20) + "..." : text;
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

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

std::string prefix(const Place& place) {
    return place.file + ":" + std::to_string(place.line) + ": ";
}

std::string UniqueUses::use(std::string_view what, const std::string& key, const Place& place) {
    const std::string named = std::string(what) + " '" + key + "'";
    const auto [first, is_new] = first_.emplace(named, place);
    if (is_new) {
        return "";
    }
    return prefix(place) + "conflicting use of " + named + " ...\n" + prefix(first->second) +
           named + " first used here.";
}

// In a resource or a host they are about volume 0 (is_volume false), in `volume N` about that.
struct Parser::VolumeScope {
    std::vector<VolumeConf>& volumes;
    Options& options;  // disk { }
    std::string owner;
    bool is_volume = false;
};

// --- Tokens and complaints ---

const Token& Parser::peek() {
    if (stopped_) {
        return end_;
    }
    if (!source_->ahead) {
        source_->ahead = source_->lexer.next();
    }
    if (source_->ahead->kind == Token::Kind::Bad) {
        fail(*source_->ahead, source_->ahead->text);
        return end_;
    }
    return *source_->ahead;
}

Token Parser::take() {
    Token token = peek();
    if (!stopped_) {
        source_->ahead.reset();
    }
    return token;
}

bool Parser::accept(char op) {
    if (!peek().is(op)) {
        return false;
    }
    take();
    return true;
}

// When one certain token was wanted the original adds the number of the token that it got; for
// operators that is the character, the other numbers are its own affair.
bool Parser::expect(char op) {
    if (accept(op)) {
        return true;
    }
    const Token& got = peek();
    if (!stopped_) {
        std::string text = "Parse error: '" + std::string(1, op) + "' expected,\n\tbut got '" +
                           cut(got.text) + "'";
        if (got.kind == Token::Kind::Operator) {
            text += " (TK " + std::to_string(static_cast<unsigned char>(got.text[0])) + ")";
        }
        fail(got, text);
    }
    return false;
}

Place Parser::place_of(const Token& token) const {
    return {source_->name, token.line};
}

void Parser::fail(const Token& token, const std::string& text) {
    if (!stopped_) {
        stopped_ = true;
        out_.syntax_error = true;
        out_.errors.push_back(prefix(place_of(token)) + text);
    }
}

void Parser::fail_expected(std::string_view what, const Token& got) {
    fail(got,
         "Parse error: '" + std::string(what) + "' expected,\n\tbut got '" + cut(got.text) + "'");
}

void Parser::complain(const Place& place, const std::string& text) {
    if (!stopped_) {
        out_.errors.push_back(prefix(place) + text);
    }
}

void Parser::refuse(std::string_view what, const Place& place) {
    complain(place, std::string(what) + " is known but not supported by this version of drbdd");
}

void Parser::require_unique(std::string_view what, const std::string& key, const Place& place) {
    const std::string conflict = uses_.use(what, key, place);
    if (!conflict.empty() && !stopped_) {
        out_.errors.push_back(conflict);
    }
}

std::uint32_t Parser::take_number(std::string_view name, std::uint32_t min, std::uint32_t max) {
    const Token token = take();
    if (token.kind != Token::Kind::Integer) {
        fail_expected("number of " + std::string(name), token);
        return min;
    }
    const Number number = parse_number(token.text, ' ');
    if (number.value < min || number.value > max) {
        complain(place_of(token),
                 std::string(name) + " " + token.text + " => " + std::to_string(number.value) +
                     " out of range [" + std::to_string(min) + ".." + std::to_string(max) + "].");
        return min;
    }
    return static_cast<std::uint32_t>(number.value);
}

std::string Parser::take_value(std::string_view what) {
    const Token token = take();
    if (!token.is_value()) {
        fail_expected(what, token);
    }
    return token.text;
}

// "{", statements, "}". Each statement takes at least one token or fails.
template <typename Statement>
void Parser::parse_block(Statement&& statement) {
    if (!expect('{')) {
        return;
    }
    while (!stopped_ && !accept('}')) {
        if (peek().kind == Token::Kind::End) {
            fail_expected("}", peek());
            return;
        }
        statement();
    }
}

// Everything up to "{" and from there to its "}".
void Parser::skip_block() {
    while (!stopped_ && !peek().is('{')) {
        if (const Token token = take(); token.kind == Token::Kind::End) {
            fail_expected("[ some_text ] {", token);
        }
    }
    int depth = 0;
    do {
        const Token token = take();
        depth += token.is('{') ? 1 : token.is('}') ? -1 : 0;
        if (token.kind == Token::Kind::End) {
            fail_expected("}", token);
        }
    } while (!stopped_ && depth > 0);
}

// --- Files ---

void Parser::parse_main_file(const std::string& path) {
    out_.conf.file = files_.canonical(path);
    files_read_.insert(out_.conf.file);
    base::Result<std::string> text = files_.read(path);
    if (!text) {
        out_.unreadable = true;
        out_.errors.push_back(text.error().text);
        return;
    }
    parse_text(path, std::move(*text));
}

void Parser::parse_text(const std::string& name, std::string text) {
    Source source{name, std::move(text), Lexer(""), std::nullopt};
    source.lexer = Lexer(source.text);
    Source* const outer = std::exchange(source_, &source);
    while (!stopped_ && peek().kind != Token::Kind::End) {
        parse_top_level();
    }
    source_ = outer;
}

void Parser::parse_top_level() {
    const Token keyword = take();
    if (keyword.is("global")) {
        parse_global(keyword);
    } else if (keyword.is("common")) {
        parse_common(keyword);
    } else if (keyword.is("resource")) {
        parse_resource(keyword);
    } else if (keyword.is("skip")) {
        skip_block();
    } else if (keyword.is("include")) {
        parse_include(keyword);
    } else {
        fail_expected(kTopLevel, keyword);
    }
}

// A file is read once however often it is included, which also ends a circle of includes.
void Parser::parse_include(const Token& keyword) {
    const std::string pattern = take_value("file name");
    if (!expect(';')) {
        return;
    }
    const std::string from =
        pattern.starts_with('/') ? pattern : directory_of(source_->name) + pattern;
    const bool has_magic = pattern.find_first_of("*?[") != std::string::npos;
    const std::vector<std::string> names =
        has_magic ? files_.glob(from) : std::vector<std::string>{from};
    for (const std::string& name : names) {
        if (files_read_.size() >= kMaxIncludedFiles) {
            complain(place_of(keyword), "more than 1024 included files");
            return;
        }
        if (!files_read_.insert(files_.canonical(name)).second) {
            continue;
        }
        base::Result<std::string> text = files_.read(name);
        if (text) {
            parse_text(name, std::move(*text));
        } else {
            complain(place_of(keyword), "Failed to open include file '" + pattern + "'.");
        }
    }
}

// --- global, common ---

void Parser::parse_global(const Token& keyword) {
    require_unique("global section", "global", place_of(keyword));
    GlobalConf& global = out_.conf.global.emplace();
    global.place = place_of(keyword);
    parse_block([&] { parse_global_statement(global); });
}

void Parser::parse_global_statement(GlobalConf& global) {
    const Token keyword = take();
    const auto number = [&](std::uint32_t min, std::uint32_t max) {
        return take_number(keyword.text, min, max);
    };
    if (keyword.is("disable-ip-verification")) {
        global.disable_ip_verification = true;
    } else if (keyword.is("minor-count")) {
        global.minor_count = number(1, 255);
    } else if (keyword.is("dialog-refresh")) {
        global.dialog_refresh = number(0, 600);
    } else if (keyword.is("cmd-timeout-short")) {
        global.cmd_timeout_short = number(0, 900);
    } else if (keyword.is("cmd-timeout-medium")) {
        global.cmd_timeout_medium = number(0, 900);
    } else if (keyword.is("cmd-timeout-long")) {
        global.cmd_timeout_long = number(0, 900);
    } else if (keyword.is("usage-count")) {
        const Token value = take();
        if (!value.is("yes") && !value.is("no") && !value.is("ask")) {
            fail_expected("yes | no | ask", value);
        }
        global.usage_count = value.text;
    } else {
        fail_expected(kGlobalStatement, keyword);
    }
    expect(';');
}

void Parser::parse_common(const Token& keyword) {
    const Place place = place_of(keyword);
    require_unique("common section", "common", place);
    ResourceConf& common = out_.conf.common.emplace();
    common.place = place;
    parse_block([&] { parse_resource_statement(common); });
    if (!common.hosts.empty()) {
        complain(place, "in the common section, there are no host sections allowed.");
    }
}

// --- resource ---

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
    } else if (keyword.is("floating") || keyword.is("stacked-on-top-of") ||
               keyword.is("ignore-on") || keyword.is("proxy")) {
        refuse("'" + keyword.text + "'", place_of(keyword));
        resource.has_refused_section = true;
        while (!stopped_ && !peek().is('{') && !accept(';')) {
            if (const Token token = take(); token.kind == Token::Kind::End) {
                fail_expected("{", token);
            }
        }
        if (peek().is('{')) {
            skip_block();
        }
    } else if (!parse_options_statement(resource, keyword)) {
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

void Parser::parse_host_statement(HostConf& host, const std::string& owner) {
    if (parse_backing_statement({host.volumes, host.disk, owner, false})) {
        return;
    }
    const Token keyword = take();
    if (keyword.is("address")) {
        require_unique("address statement", owner + ":address", place_of(keyword));
        parse_address(host);
    } else if (keyword.is("alternate-link-address")) {
        HostConf ignored;
        parse_address(ignored);
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
        if (!first.is("ipv4")) {
            refuse("address family '" + first.text + "'", place_of(first));
        }
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
    expect(';');
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
        Options* const lists[] = {&scope.options};
        constexpr Section kSections[] = {Section::Disk};
        parse_block([&] { parse_option(lists, kSections, kOption, scope.owner); });
        return;
    }
    require_unique("disk statement", scope.owner + ":disk", place);
    VolumeConf& volume = volume_in(scope, place);
    volume.disk = take_value("disk name");
    expect(';');
    if (volume.disk == "none") {
        refuse("'disk none'", place);
    }
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
        take_number("meta-index", 0, kMaxVolume);
        expect(']');
    }
    expect(';');
    if (volume.meta_disk != "internal") {
        refuse("external metadata ('meta-disk " + cut(volume.meta_disk) + "')", place);
    }
}

// --- sections of options ---

bool Parser::parse_options_statement(ResourceConf& resource, const Token& keyword) {
    const Place place = place_of(keyword);
    const std::string owner = resource.name.empty() ? "common" : resource.name;
    if (keyword.is("protocol")) {
        require_unique("protocol statement", owner + ": protocol", place);
        const OptionSpec& spec = *find_option(Section::Net, "protocol");
        const std::string value = take_value("protocol");
        expect(';');
        add_option(resource.net, Section::Net, spec, {"protocol", value, place}, owner + ":net");
        return true;
    }
    constexpr Section kSyncer[] = {Section::Net, Section::Disk, Section::Options};
    constexpr Section kPlain[] = {
        Section::Net, Section::Options, Section::Startup, Section::Handlers};
    if (keyword.is("syncer")) {
        require_unique("syncer section", owner + ":syncer", place);
        Options* const lists[] = {&resource.net, &resource.disk, &resource.options};
        parse_block([&] { parse_option(lists, kSyncer, kSyncerOption, owner); });
        return true;
    }
    for (const Section section : kPlain) {
        const std::string name(section_name(section));
        if (keyword.is(std::string_view(name))) {
            require_unique(name + " section", owner + ":" + name, place);
            Options* const lists[] = {&resource.section(section)};
            const Section sections[] = {section};
            parse_block([&] { parse_option(lists, sections, kOption, owner); });
            return true;
        }
    }
    return false;
}

// One option of one of `sections`; it goes to the list at the same position. "no-NAME" is the bool
// option NAME, said no.
void Parser::parse_option(std::span<Options* const> lists,
                          std::span<const Section> sections,
                          std::string_view expected,
                          const std::string& owner) {
    const Token keyword = take();
    const std::string_view name = keyword.text;
    for (std::size_t i = 0; i < sections.size() && keyword.kind == Token::Kind::Word; ++i) {
        const OptionSpec* spec = find_option(sections[i], name);
        bool negated = false;
        if (spec == nullptr && name.starts_with("no-")) {
            spec = find_option(sections[i], name.substr(3));
            negated = true;
        }
        if (spec == nullptr || (negated && spec->kind != OptionSpec::Kind::Bool)) {
            continue;
        }
        const std::string value = take_option_value(*spec, negated);
        if (!stopped_) {
            add_option(*lists[i],
                       sections[i],
                       *spec,
                       {std::string(spec->name), value, place_of(keyword)},
                       owner + ":" + std::string(section_name(sections[i])));
        }
        return;
    }
    fail_expected(expected, keyword);
}

std::string Parser::take_option_value(const OptionSpec& spec, bool negated) {
    if (spec.kind == OptionSpec::Kind::Bool) {
        if (accept(';')) {
            return negated ? "no" : "yes";
        }
        const Token value = take();
        if (!value.is("yes") && !value.is("no")) {
            fail_expected("yes | no | ;", value);
        }
        expect(';');
        return value.text;
    }
    std::string value = take_value("value of " + std::string(spec.name));
    while (spec.kind == OptionSpec::Kind::Words && !stopped_ && !peek().is(';')) {
        value += " " + take_value("value of " + std::string(spec.name));
    }
    expect(';');
    return value;
}

void Parser::add_option(Options& options,
                        Section section,
                        const OptionSpec& spec,
                        Option option,
                        const std::string& owner) {
    if (stopped_) {
        return;
    }
    require_unique("option", owner + ":" + option.name, option.place);
    std::string problem = check_value(spec, option.value);
    if (problem.empty()) {
        problem = check_support(spec, section, option.value);
    }
    if (!problem.empty()) {
        complain(option.place, problem);
    } else if (const std::string warning = check_effect(spec, section, option.value);
               !warning.empty() && warned_.insert(spec.name).second) {
        out_.warnings.push_back(prefix(option.place) + warning);
    }
    options.push_back(std::move(option));
}

}  // namespace config
