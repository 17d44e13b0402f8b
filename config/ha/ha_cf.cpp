#include "config/ha/ha_cf.h"

#include "config/ha/ha_cf_parser.h"
#include "config/ha/text.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace config {

using ha_text::quoted;

namespace {

constexpr std::chrono::milliseconds kShortInitdead{10'000};
constexpr double kMaxMilliseconds = 2'147'483'647;

// Digits with at most one point among them.
std::optional<double> decimal(std::string_view digits) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto points = std::count(digits.begin(), digits.end(), '.');
    const auto numerals = std::count_if(digits.begin(), digits.end(), is_digit);
    if (points > 1 || numerals == 0 || numerals > 18 ||
        points + numerals != static_cast<std::ptrdiff_t>(digits.size())) {
        return std::nullopt;
    }
    double value = 0;
    double place = 0;
    for (const char c : digits) {
        if (c == '.') {
            place = 1;
            continue;
        }
        value = value * 10 + (c - '0');
        place *= 10;
    }
    return place > 0 ? value / place : value;
}

void check_times(const HaCf& conf, ha_text::Reporter& reporter) {
    const auto ms = [](std::chrono::milliseconds time) {
        return std::to_string(time.count()) + " ms";
    };
    if (conf.deadtime <= 2 * conf.keepalive) {
        reporter.error("deadtime (" + ms(conf.deadtime) + ") must be more than twice keepalive (" +
                       ms(conf.keepalive) + ")");
    }
    if (conf.initdead < conf.deadtime) {
        reporter.error("initdead (" + ms(conf.initdead) + ") is less than deadtime (" +
                       ms(conf.deadtime) + ")");
    } else if (conf.initdead < kShortInitdead) {
        reporter.warning("initdead (" + ms(conf.initdead) +
                         ") is less than 10 s: a node that boots slowly is taken for dead");
    }
    if (conf.deadping_given && conf.deadping <= 2 * conf.keepalive) {
        reporter.error("deadping (" + ms(conf.deadping) + ") must be more than twice keepalive (" +
                       ms(conf.keepalive) + ")");
    }
}

void check_members(const HaCf& conf, std::string_view own_node, ha_text::Reporter& reporter) {
    if (conf.nodes.empty()) {
        reporter.error("no node is configured");
    } else if (!conf.has_node(own_node)) {
        reporter.error("Current node [" + fold_node_name(own_node) +
                       "] not in configuration! Add it to a node line, or correct the host name");
    }
    if (conf.nodes.size() > 2) {
        reporter.error(std::to_string(conf.nodes.size()) +
                       " nodes are configured: haresources works with two");
    } else if (conf.nodes.size() == 1) {
        reporter.warning("only one node is configured: nobody can take over");
    }
    std::vector<std::string> names = conf.nodes;
    for (const HaPing& ping : conf.pings) {
        if (std::find(names.begin(), names.end(), ping.name) != names.end()) {
            reporter.error("ping node " + quoted(ping.name) + " is also another member");
        }
        names.push_back(ping.name);
    }
}

void check_media(const HaCf& conf, ha_text::Reporter& reporter) {
    if (conf.media.empty()) {
        reporter.error("no heartbeat medium is configured (ucast, bcast, mcast or serial)");
        return;
    }
    const std::string& first = link_name(conf.media.front());
    if (std::all_of(conf.media.begin(), conf.media.end(), [&](const HaMedium& medium) {
            return link_name(medium) == first;
        })) {
        reporter.warning("only one heartbeat path (" + first +
                         "): its failure alone makes both nodes active");
    }
}

void check_habits(const HaCf& conf, ha_text::Reporter& reporter) {
    if (!conf.auto_failback_given) {
        reporter.warning("auto_failback is not set and is legacy: set it to on or off");
    } else if (conf.auto_failback == AutoFailback::Legacy) {
        reporter.warning("auto_failback legacy: hb_standby, ipfail and failback refuse to work");
    }
    if (conf.msgfmt == MsgFmt::Netstring) {
        reporter.warning(
            "msgfmt netstring: a Heartbeat 3.0.6 partner loses reports of its own "
            "scripts with it and may never stop; use classic");
    }
    const bool silent = conf.logfile.empty() && conf.debugfile.empty() && conf.logfacility.empty();
    if (silent && conf.use_logd == false) {
        reporter.error(
            "use_logd is off, and neither logfile nor debugfile nor logfacility is set: "
            "nothing would be logged");
    }
}

}  // namespace

std::string fold_node_name(std::string_view name) {
    std::string folded(name);
    for (char& c : folded) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return folded;
}

std::optional<std::chrono::milliseconds> parse_ha_time(std::string_view word) {
    const std::size_t end = std::min(word.find_first_not_of("0123456789."), word.size());
    const std::string unit = fold_node_name(word.substr(end));
    const double scale = unit.empty()                     ? 1000
                         : unit == "ms" || unit == "msec" ? 1
                         : unit == "us" || unit == "usec" ? 0.001
                                                          : 0;
    const auto number = decimal(word.substr(0, end));
    if (!number || scale == 0 || *number * scale > kMaxMilliseconds) {
        return std::nullopt;
    }
    return std::chrono::milliseconds(std::llround(*number * scale));
}

std::optional<bool> parse_ha_bool(std::string_view word) {
    const std::string folded = fold_node_name(word);
    for (const std::string_view yes : {"true", "on", "yes", "y", "1"}) {
        if (folded == yes) {
            return true;
        }
    }
    for (const std::string_view no : {"false", "off", "no", "n", "0"}) {
        if (folded == no) {
            return false;
        }
    }
    return std::nullopt;
}

const std::string& link_name(const HaMedium& medium) {
    if (const auto* serial = std::get_if<HaSerial>(&medium)) {
        return serial->device;
    }
    if (const auto* ucast = std::get_if<HaUcast>(&medium)) {
        return ucast->interface;
    }
    if (const auto* bcast = std::get_if<HaBcast>(&medium)) {
        return bcast->interface;
    }
    return std::get<HaMcast>(medium).interface;
}

bool HaCf::has_node(std::string_view name) const {
    return std::find(nodes.begin(), nodes.end(), fold_node_name(name)) != nodes.end();
}

HaParsed<HaCf> parse_ha_cf(const std::string& file,
                           std::string_view text,
                           std::uint16_t default_port) {
    HaParsed<HaCf> parsed;
    ha_text::Reporter reporter(file, parsed.findings);
    HaCfParser parser(file, default_port, parsed);
    for (const ha_text::Line& line :
         ha_text::lines_of(text, ha_text::Comments::Anywhere, false, reporter)) {
        parser.take(line);
    }
    parser.finish();
    return parsed;
}

HaFindings check_ha_cf(const std::string& file, const HaCf& conf, std::string_view own_node) {
    HaFindings findings;
    ha_text::Reporter reporter(file, findings);
    check_media(conf, reporter);
    check_members(conf, own_node, reporter);
    check_times(conf, reporter);
    check_habits(conf, reporter);
    return findings;
}

const HaStonith* stonith_for(const HaCf& conf, std::string_view own_node) {
    const std::string own = fold_node_name(own_node);
    const auto mine = std::find_if(conf.stonith.rbegin(), conf.stonith.rend(), [&](const auto& s) {
        return s.host.empty() || s.host == "*" || s.host == own;
    });
    return mine == conf.stonith.rend() ? nullptr : &*mine;
}

}  // namespace config
