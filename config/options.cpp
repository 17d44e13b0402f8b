#include "config/options.h"

#include "base/digest.h"
#include "base/require.h"
#include "config/settings.h"

#include <algorithm>
#include <array>
#include <limits>

namespace config {

namespace {

using Kind = OptionSpec::Kind;
using Support = OptionSpec::Support;
constexpr Support kYes = Support::Yes;
constexpr Support kNo = Support::No;

// Where 8.4 and 9 have other limits, a file may use the wider one.
constexpr std::uint64_t kMaxRate = 4194304;             // KiB/s
constexpr std::uint64_t kMaxResyncRate = 2 * kMaxRate;  // of 9
constexpr std::uint64_t kMaxBuffer = 134217728;         // bytes, of 9; 8.4: 10 MiB
constexpr std::uint64_t kMaxCpuMask = 255;              // characters, of 9; 8.4: 31
constexpr std::uint64_t kMaxAlg = 63;                   // characters

OptionSpec number(std::string_view name,
                  std::uint64_t min,
                  std::uint64_t max,
                  char scale = ' ',
                  Support support = kYes) {
    OptionSpec spec;
    spec.name = name;
    spec.kind = Kind::Number;
    spec.support = support;
    spec.scale = scale;
    spec.min = min;
    spec.max = max;
    return spec;
}

OptionSpec clamped(OptionSpec spec) {
    spec.clamped = true;
    return spec;
}

OptionSpec boolean(std::string_view name, Support support = kYes) {
    OptionSpec spec;
    spec.name = name;
    spec.kind = Kind::Bool;
    spec.support = support;
    return spec;
}

OptionSpec choice(std::string_view name,
                  std::span<const std::string_view> words,
                  Support support = kYes) {
    OptionSpec spec;
    spec.name = name;
    spec.kind = Kind::Enum;
    spec.support = support;
    spec.words = words;
    return spec;
}

OptionSpec text(std::string_view name, std::uint64_t max_length = 0, Support support = kYes) {
    OptionSpec spec;
    spec.name = name;
    spec.support = support;
    spec.max_length = max_length;
    return spec;
}

OptionSpec names(std::string_view name) {
    OptionSpec spec;
    spec.name = name;
    spec.kind = Kind::Words;
    return spec;
}

// What a resource with another value asks for cannot be given: it is not brought up.
OptionSpec only(OptionSpec spec, std::string_view value) {
    spec.support = Support::Only;
    spec.only = value;
    return spec;
}

// Accepted from a file that serves a kernel node too. What it asks for has no meaning here, or is
// not there yet and nothing that is promised depends on it.
OptionSpec moot(OptionSpec spec, std::string_view value, std::string_view why) {
    spec.support = Support::Moot;
    spec.only = value;
    spec.why = why;
    return spec;
}

constexpr std::string_view kFencing[] = {"dont-care", "resource-only", "resource-and-stonith"};
constexpr std::string_view kOnNoData[] = {"io-error", "suspend-io"};
constexpr std::string_view kOnSuspendedOutdated[] = {"disconnect", "force-secondary"};

// Every word but this one.
OptionSpec except(OptionSpec spec, std::string_view value) {
    spec.support = Support::Except;
    spec.only = value;
    return spec;
}

// It throws data away where 8.4 would not.
constexpr std::string_view kAutoDiscard = "auto-discard";
constexpr std::string_view kRemoteRead = "a node without good data of its own reads from the peer";
constexpr std::string_view kNoTls = "the connection is not encrypted";
constexpr std::string_view kNoRdma = "the transport is tcp";
constexpr std::string_view kOneWriter = "it concerns what this version never does";

std::span<const OptionSpec> net_options() {
    static const OptionSpec kOptions[] = {
        choice("protocol", words<Protocol>()),
        number("timeout", 1, 600),
        number("max-epoch-size", 1, 20000),
        number("max-buffers", 32, 131072),
        moot(number("unplug-watermark", 1, 131072),
             "128",
             "requests go to the disk at once, there is no queue to unplug"),
        number("connect-int", 1, 120),
        number("ping-int", 1, 120),
        number("sndbuf-size", 0, kMaxBuffer),
        number("rcvbuf-size", 0, kMaxBuffer),
        number("ko-count", 0, 200),
        only(boolean("allow-two-primaries"), "no"),
        text("cram-hmac-alg", kMaxAlg),
        text("shared-secret", kMaxAlg),
        choice("after-sb-0pri", words<AfterSb0Pri>()),
        choice("after-sb-1pri", words<AfterSb1Pri>()),
        choice("after-sb-2pri", words<AfterSb2Pri>()),
        boolean("always-asbp"),
        except(choice("rr-conflict", words<RrConflict>()), kAutoDiscard),
        number("ping-timeout", 1, 300),
        text("data-integrity-alg", kMaxAlg, Support::Digest),
        moot(
            boolean("tcp-cork"), "yes", "packets that are ready together are always sent together"),
        choice("on-congestion", words<OnCongestion>()),
        number("congestion-fill", 0, 20971520, 's'),
        number("congestion-extents", 67, 65534),
        text("csums-alg", kMaxAlg, Support::Digest),
        boolean("csums-after-crash-only"),
        text("verify-alg", kMaxAlg, Support::Digest),
        boolean("use-rle"),
        number("socket-check-timeout", 0, 300),
        // Not in 8.4's net section, but files for 9 have it there.
        choice("fencing", kFencing),
        // Of 9 alone.
        only(text("transport"), "tcp"),
        moot(boolean("allow-remote-read"), "yes", kRemoteRead),
        moot(boolean("load-balance-paths"), "no", "there is one path"),
        only(boolean("tls"), "no"),
        moot(text("tls-keyring"), "", kNoTls),
        moot(text("tls-privkey"), "", kNoTls),
        moot(text("tls-certificate"), "", kNoTls),
        moot(number("rdma-ctrl-rcvbuf-size", 0, 10485760), "0", kNoRdma),
        moot(number("rdma-ctrl-sndbuf-size", 0, 10485760), "0", kNoRdma),
    };
    return kOptions;
}

std::span<const OptionSpec> disk_options() {
    static const OptionSpec kOptions[] = {
        number("size", 0, std::uint64_t{1} << 41, 's'),
        moot(number("max-bio-bvecs", 0, 128), "0", "the kernel splits requests as it needs to"),
        choice("on-io-error", words<OnIoError>()),
        choice("fencing", kFencing),
        boolean("disk-barrier"),
        boolean("disk-flushes"),
        moot(boolean("disk-drain"), "yes", "the writes of an epoch are always waited for"),
        boolean("md-flushes"),
        number("resync-rate", 1, kMaxResyncRate, 'k'),
        text("resync-after"),
        clamped(number("al-extents", 67, 65534)),
        moot(boolean("al-updates"), "yes", "the activity log is always kept"),
        moot(boolean("discard-zeroes-if-aligned"),
             "yes",
             "what is to read as zeroes is zeroed, whatever the disk says of its discards"),
        moot(boolean("disable-write-same"), "no", "there are no requests of that kind"),
        number("c-plan-ahead", 0, 300),
        moot(number("c-delay-target", 1, 100),
             "10",
             "it is told to the peer, while this node paces a resync by what is in flight"),
        number("c-fill-target", 0, 1048576, 's'),
        number("c-max-rate", 250, kMaxRate, 'k'),
        number("c-min-rate", 0, kMaxRate, 'k'),
        number("disk-timeout", 0, 6000),
        choice("read-balancing", words<ReadBalancing>()),
        moot(number("rs-discard-granularity", 0, 1048576),
             "0",
             "a resync writes zeroes where its source has them"),
        // Of 8.3 alone.
        moot(boolean("use-bmbv"), "no", "the kernel splits requests as it needs to"),
        // Of 9 alone.
        only(boolean("bitmap"), "yes"),
    };
    return kOptions;
}

std::span<const OptionSpec> resource_options() {
    static const OptionSpec kOptions[] = {
        text("cpu-mask", kMaxCpuMask),
        choice("on-no-data-accessible", kOnNoData),
        // Of 9 alone.
        moot(boolean("auto-promote"), "no", "promote with 'drbdadm primary', as in 8.4"),
        moot(number("auto-promote-timeout", 0, 600), "20", kOneWriter),
        only(text("quorum"), "off"),
        only(text("quorum-minimum-redundancy"), "off"),
        moot(choice("on-no-quorum", kOnNoData), "suspend-io", "there is no quorum of two"),
        moot(choice("on-suspended-primary-outdated", kOnSuspendedOutdated),
             "disconnect",
             kOneWriter),
        moot(number("max-io-depth", 4, 4294967295), "8000", kOneWriter),
        moot(number("peer-ack-window", 2048, 204800, 's'), "4096", kOneWriter),
        moot(number("peer-ack-delay", 1, 10000), "100", kOneWriter),
        moot(number("twopc-timeout", 50, 600), "300", kOneWriter),
        moot(number("twopc-retry-timeout", 1, 50), "1", kOneWriter),
        moot(boolean("drbd8-api-compatibility"), "no", "the tools speak as 8.4's always"),
    };
    return kOptions;
}

std::span<const OptionSpec> startup_options() {
    static const OptionSpec kOptions[] = {
        number("wfc-timeout", 0, 300000),
        number("degr-wfc-timeout", 0, 300000),
        number("outdated-wfc-timeout", 0, 300000),
        boolean("stacked-timeouts"),
        boolean("wait-after-sb"),
        names("become-primary-on"),
    };
    return kOptions;
}

constexpr std::string_view kNeverRun = "this version of drbdd never runs it";

std::span<const OptionSpec> handler_options() {
    static const OptionSpec kOptions[] = {
        moot(text("pri-on-incon-degr"), "", kNeverRun),
        text("pri-lost-after-sb"),
        text("pri-lost"),
        text("initial-split-brain"),
        text("split-brain"),
        text("fence-peer"),
        text("unfence-peer"),
        text("local-io-error"),
        text("before-resync-target"),
        text("after-resync-target"),
        moot(text("before-resync-source"), "", kNeverRun),
        moot(text("out-of-sync"), "", kNeverRun),
        moot(text("quorum-lost"), "", kNeverRun),
        moot(text("disconnected"), "", kNeverRun),
    };
    return kOptions;
}

std::string_view canonical_name(Section section, std::string_view name) {
    if (section == Section::Disk && name == "rate") {
        return "resync-rate";
    }
    if (section == Section::Disk && name == "after") {
        return "resync-after";
    }
    if (section == Section::Handlers && name == "outdate-peer") {
        return "fence-peer";
    }
    return name;
}

std::string cut(std::string_view value) {
    return value.size() > 20 ? std::string(value.substr(0, 20)) + "..." : std::string(value);
}

std::string value_problem(const OptionSpec& spec, std::string_view value, std::string_view what) {
    return "Parse error: while parsing value ('" + cut(value) + "')\nfor " +
           std::string(spec.name) + ". Value is " + std::string(what) + ".";
}

std::string unit_of(const OptionSpec& spec) {
    return spec.scale == ' ' ? std::string() : std::string(1, spec.scale);
}

std::string check_number(const OptionSpec& spec, std::string_view value) {
    const Number number_ = parse_number(value, spec.scale);
    if (number_.problem == Number::Problem::NotANumber) {
        return value_problem(spec, value, "not a number");
    }
    const bool fits = number_.problem == Number::Problem::None &&
                      (spec.clamped || (number_.value >= spec.min && number_.value <= spec.max));
    if (fits) {
        return "";
    }
    const std::string unit = unit_of(spec);
    const std::string shown = number_.problem == Number::Problem::Overflow
                                  ? "more than 2^64"
                                  : std::to_string(number_.value) + unit;
    return std::string(spec.name) + " " + std::string(value) + " => " + shown + " out of range [" +
           std::to_string(spec.min) + ".." + std::to_string(spec.max) + "]" + unit + ".";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return (x >= 'a' && x <= 'z' ? x - 'a' + 'A' : x) ==
               (y >= 'a' && y <= 'z' ? y - 'a' + 'A' : y);
    });
}

bool is_digest(std::string_view value) {
    std::string name(value);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return name.empty() || base::Digest::known(name);
}

std::string check_word(const OptionSpec& spec, std::string_view value) {
    const bool any_case = spec.name == "protocol";
    const bool found = std::any_of(spec.words.begin(), spec.words.end(), [&](std::string_view w) {
        return w == value || (any_case && equal_ignoring_case(w, value));
    });
    // Words of 9. The connection is tried again by itself here anyway; the other one is known, and
    // refused where the resource is brought up.
    if (spec.name == "rr-conflict" && (value == "retry-connect" || value == kAutoDiscard)) {
        return "";
    }
    // "discard-node-HOST" is 8.4's way to say discard-local on one node and discard-remote on the
    // other.
    if (found || (spec.name == "after-sb-0pri" && value.starts_with("discard-node-"))) {
        return "";
    }
    std::string allowed;
    for (const std::string_view w : spec.words) {
        allowed += (allowed.empty() ? "" : " | ") + std::string(w);
    }
    return value_problem(spec, value, "not valid") + "\nAllowed values are: " + allowed;
}

}  // namespace

std::string_view section_name(Section section) {
    static constexpr std::array<std::string_view, 5> kNames = {
        "net", "disk", "options", "startup", "handlers"};
    return kNames[static_cast<std::size_t>(section)];
}

std::span<const OptionSpec> options_of(Section section) {
    switch (section) {
        case Section::Net:
            return net_options();
        case Section::Disk:
            return disk_options();
        case Section::Options:
            return resource_options();
        case Section::Startup:
            return startup_options();
        case Section::Handlers:
            return handler_options();
    }
    return {};
}

const OptionSpec* find_option(Section section, std::string_view name) {
    const std::string_view wanted = canonical_name(section, name);
    for (const OptionSpec& spec : options_of(section)) {
        if (spec.name == wanted) {
            return &spec;
        }
    }
    return nullptr;
}

Number parse_number(std::string_view text, char scale) {
    std::uint64_t value = 0;
    std::size_t at = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
        const auto digit = static_cast<std::uint64_t>(text[at] - '0');
        if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
            return {Number::Problem::Overflow, 0};
        }
        value = value * 10 + digit;
    }
    if (at == 0 || text.size() - at > 1) {
        return {Number::Problem::NotANumber, 0};
    }
    const int scale_shift = scale == 'k' ? 10 : scale == 's' ? 9 : 0;
    if (at == text.size()) {
        return {Number::Problem::None, value};
    }
    int shift = 0;
    switch (text[at]) {
        case 'k':
        case 'K':
            shift = 10;
            break;
        case 'm':
        case 'M':
            shift = 20;
            break;
        case 'g':
        case 'G':
            shift = 30;
            break;
        case 's':
            shift = 9;
            break;
        default:
            return {Number::Problem::NotANumber, 0};
    }
    if (value > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
        return {Number::Problem::Overflow, 0};
    }
    const std::uint64_t bytes = value << shift;
    const std::uint64_t unit = std::uint64_t{1} << scale_shift;
    return {Number::Problem::None, bytes / unit + (bytes % unit != 0 ? 1 : 0)};
}

std::string check_value(const OptionSpec& spec, std::string_view value) {
    switch (spec.kind) {
        case Kind::Number:
            return check_number(spec, value);
        case Kind::Enum:
            return check_word(spec, value);
        case Kind::String:
            if (spec.max_length != 0 && value.size() > spec.max_length) {
                return value_problem(spec, value, "too long") +
                       "\nmax len: " + std::to_string(spec.max_length);
            }
            return "";
        case Kind::Bool:  // the grammar has only yes and no
        case Kind::Words:
            return "";
    }
    return "";
}

std::string check_support(const OptionSpec& spec, Section section, std::string_view value) {
    const bool refused = spec.support == kNo ||
                         (spec.support == Support::Digest && !is_digest(value)) ||
                         (spec.support == Support::Only && value != spec.only) ||
                         (spec.support == Support::Except && value == spec.only);
    if (!refused) {
        return "";
    }
    std::string text_ = "option '" + std::string(spec.name) + "' of section '" +
                        std::string(section_name(section)) +
                        "' is known but not supported by this version of drbdd";
    if (spec.support == Support::Only) {
        text_ += " with the value '" + cut(value) + "'" +
                 (spec.only.empty() ? "" : ": only '" + std::string(spec.only) + "' is");
    } else if (spec.support == Support::Except || spec.support == Support::Digest) {
        text_ += " with the value '" + cut(value) + "'";
    }
    return text_;
}

std::string check_effect(const OptionSpec& spec, Section section, std::string_view value) {
    if (spec.support != Support::Moot || value == spec.only) {
        return "";
    }
    return "WARN: option '" + std::string(spec.name) + "' of section '" +
           std::string(section_name(section)) +
           "' is accepted and has no effect here: " + std::string(spec.why);
}

}  // namespace config
