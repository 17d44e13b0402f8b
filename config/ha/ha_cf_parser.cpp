#include "config/ha/ha_cf_parser.h"

#include <algorithm>
#include <array>

namespace config {

using ha_text::quoted;

namespace {

struct Directive {
    std::string_view name;
    bool whole_line;  // one argument, else one call per word
    bool parameter;   // `cl_status hbparameter` shows its value
    void (*take)(HaCfParser&, std::string_view);
};

using P = HaCfParser;
using Word = std::string_view;

constexpr bool kWhole = true;
constexpr bool kWords = false;
constexpr bool kShown = true;
constexpr bool kNotShown = false;

void without_use(P& p, Word) {
    p.warning("is accepted for the original's sake and has no effect here");
}

void compression(P& p, Word) {
    p.warning("has no effect here: the messages are too small to be worth compressing");
}

void logd(P& p, Word) {
    p.warning("has no effect here: there is no logd, the log goes to syslog");
}

// stonith and apiauth values are not shown: the first may hold a password.
constexpr Directive kDirectives[] = {
    {"node", kWords, kNotShown, [](P& p, Word w) { p.add_node(w); }},
    {"keepalive", kWords, kShown, [](P& p, Word w) { p.set_time(p.conf.keepalive, w); }},
    {"deadtime", kWords, kShown, [](P& p, Word w) { p.set_time(p.conf.deadtime, w); }},
    {"warntime", kWords, kShown, [](P& p, Word w) { p.set_optional_time(p.warntime, w); }},
    {"initdead", kWords, kShown, [](P& p, Word w) { p.set_optional_time(p.initdead, w); }},
    {"deadping", kWords, kShown, [](P& p, Word w) { p.set_optional_time(p.deadping, w); }},
    {"hopfudge", kWords, kShown, [](P& p, Word w) { p.set_byte(p.conf.hopfudge, w); }},
    {"udpport", kWords, kShown, [](P& p, Word w) { p.set_udpport(w); }},
    {"baud", kWords, kShown, [](P& p, Word w) { p.set_baud(w); }},
    {"serial", kWords, kNotShown, [](P& p, Word w) { p.add_serial(w); }},
    {"bcast", kWords, kNotShown, [](P& p, Word w) { p.add_bcast(w); }},
    {"udp",
     kWords,
     kNotShown,
     [](P& p, Word w) {
         p.warning("is the old name of bcast");
         p.add_bcast(w);
     }},
    {"ucast", kWhole, kNotShown, [](P& p, Word w) { p.add_ucast(w, false); }},
    {"ucast6", kWhole, kNotShown, [](P& p, Word w) { p.add_ucast(w, true); }},
    {"mcast", kWhole, kNotShown, [](P& p, Word w) { p.add_mcast(w, false); }},
    {"mcast6", kWhole, kNotShown, [](P& p, Word w) { p.add_mcast(w, true); }},
    {"ping", kWords, kNotShown, [](P& p, Word w) { p.add_ping(w, false); }},
    {"ping6", kWords, kNotShown, [](P& p, Word w) { p.add_ping(w, true); }},
    {"ping_group", kWhole, kNotShown, [](P& p, Word w) { p.add_ping_group(w); }},
    {"hbaping", kWords, kNotShown, without_use},
    {"auto_failback", kWords, kShown, [](P& p, Word w) { p.set_auto_failback(w); }},
    {"nice_failback", kWords, kShown, [](P& p, Word w) { p.set_nice_failback(w); }},
    {"stonith", kWhole, kNotShown, [](P& p, Word w) { p.add_stonith(w); }},
    {"stonith_host", kWhole, kNotShown, [](P& p, Word w) { p.add_stonith_host(w); }},
    {"watchdog", kWords, kShown, [](P& p, Word w) { p.set_watchdog(w); }},
    {"respawn", kWhole, kNotShown, [](P& p, Word w) { p.add_respawn(w, false); }},
    {"failfast", kWhole, kNotShown, [](P& p, Word w) { p.add_respawn(w, true); }},
    {"apiauth", kWhole, kNotShown, [](P& p, Word w) { p.add_api_auth(w); }},
    {"logfile", kWords, kShown, [](P& p, Word w) { p.conf.logfile = w; }},
    {"debugfile", kWords, kShown, [](P& p, Word w) { p.conf.debugfile = w; }},
    {"logfacility", kWords, kShown, [](P& p, Word w) { p.set_logfacility(w); }},
    {"use_logd",
     kWords,
     kShown,
     [](P& p, Word w) {
         bool value = false;
         p.set_bool(value, w);
         p.conf.use_logd = value;
         if (value) {
             logd(p, w);
         }
     }},
    {"conn_logd_time", kWords, kShown, logd},
    {"syslogmsgfmt", kWords, kShown, [](P& p, Word w) { p.set_bool(p.conf.syslogmsgfmt, w); }},
    {"debug", kWords, kShown, [](P& p, Word w) { p.set_byte(p.conf.debug, w); }},
    {"realtime", kWords, kShown, [](P& p, Word w) { p.set_bool(p.conf.realtime, w); }},
    {"rtprio", kWords, kShown, [](P& p, Word w) { p.set_rtprio(w); }},
    {"hbgenmethod",
     kWords,
     kShown,
     [](P& p, Word w) {
         p.choose<HbGenMethod>(
             p.conf.hbgenmethod, w, {{"file", HbGenMethod::File}, {"time", HbGenMethod::Time}});
     }},
    {"uuidfrom",
     kWords,
     kShown,
     [](P& p, Word w) {
         p.choose<UuidFrom>(
             p.conf.uuidfrom, w, {{"file", UuidFrom::File}, {"nodename", UuidFrom::NodeName}});
     }},
    {"msgfmt",
     kWords,
     kShown,
     [](P& p, Word w) {
         p.choose<MsgFmt>(
             p.conf.msgfmt, w, {{"classic", MsgFmt::Classic}, {"netstring", MsgFmt::Netstring}});
     }},
    {"compression",
     kWords,
     kShown,
     [](P& p, Word w) {
         std::string_view value;
         p.choose<std::string_view>(value, w, {{"zlib", "zlib"}, {"bz2", "bz2"}});
         compression(p, w);
     }},
    {"compression_threshold", kWords, kShown, compression},
    {"traditional_compression", kWords, kShown, compression},
    {"max_rexmit_delay", kWords, kShown, [](P& p, Word w) { p.set_max_rexmit_delay(w); }},
    {"autojoin", kWords, kShown, [](P& p, Word w) { p.refuse_autojoin(w); }},
    {"crm", kWords, kShown, [](P& p, Word w) { p.refuse_crm(w); }},
    {"pacemaker", kWords, kShown, [](P& p, Word w) { p.refuse_crm(w); }},
    {"cluster", kWords, kShown, [](P& p, Word w) { p.conf.cluster = w; }},
    {"log_badpack", kWords, kShown, [](P& p, Word w) { p.set_bool(p.conf.log_badpack, w); }},
    {"env", kWords, kNotShown, [](P& p, Word w) { p.add_env(w); }},
    {"quorum_server", kWords, kShown, without_use},
    {"coredumps", kWords, kShown, without_use},
    {"coreroot", kWords, kShown, without_use},
    {"memreserve", kWords, kShown, without_use},
    {"use_apphbd", kWords, kShown, without_use},
    {"normalpoll", kWords, kShown, without_use},
    {"crm_daemon_dir", kWords, kShown, without_use},
    {"crmd_spawns_pengine", kWords, kShown, without_use},
    {"record_config_changes", kWords, kShown, without_use},
    {"record_pengine_inputs", kWords, kShown, without_use},
    {"enable_config_writes", kWords, kShown, without_use},
};

constexpr std::array<std::string_view, 21> kFacilities = {
    "kern",   "user",   "mail",   "daemon",   "auth",   "syslog", "lpr",
    "news",   "uucp",   "cron",   "authpriv", "ftp",    "none",   "local0",
    "local1", "local2", "local3", "local4",   "local5", "local6", "local7"};

}  // namespace

HaCfParser::HaCfParser(const std::string& file, std::uint16_t default_port, HaParsed<HaCf>& out)
    : conf(out.value), reporter_(file, out.findings) {
    conf.udpport = default_port;
}

void HaCfParser::error(const std::string& text) {
    reporter_.error(line_, directive_ + " " + text);
}

void HaCfParser::warning(const std::string& text) {
    reporter_.warning(line_, directive_ + " " + text);
}

void HaCfParser::take(const ha_text::Line& line) {
    const auto [name, rest] = ha_text::split_first(line.text);
    line_ = line.number;
    directive_ = name;
    const auto found = std::find_if(std::begin(kDirectives),
                                    std::end(kDirectives),
                                    [&](const Directive& d) { return d.name == directive_; });
    if (found == std::end(kDirectives)) {
        return reporter_.error(line_, "unknown directive " + quoted(name));
    }
    if (found->whole_line) {
        return rest.empty() ? error("needs a value") : found->take(*this, rest);
    }
    const std::vector<std::string> words = ha_text::words_of(rest, ", \t");
    if (words.empty()) {
        return error("needs a value");
    }
    for (const std::string& word : words) {
        found->take(*this, word);
        if (found->parameter) {
            conf.parameters[directive_] = word;
        }
    }
}

void HaCfParser::finish() {
    using std::chrono_literals::operator""s;
    const auto usual = conf.deadtime > 10s  ? conf.deadtime
                       : conf.deadtime < 6s ? std::chrono::milliseconds(12s)
                                            : 2 * conf.deadtime;
    conf.warntime = warntime.value_or(conf.deadtime / 2);
    conf.initdead = initdead.value_or(usual);
    conf.deadping_given = deadping.has_value();
    conf.deadping = deadping.value_or(conf.deadtime);
    // The only parameter that the original shows although it is not set.
    conf.parameters.try_emplace("udpport", std::to_string(conf.udpport));
}

void HaCfParser::add_node(std::string_view name) {
    const std::string folded = fold_node_name(name);
    if (conf.has_node(folded)) {
        warning("names " + quoted(folded) + " a second time");
    } else if (conf.nodes.size() + conf.pings.size() >= kMaxNodes) {
        error("names more than 100 nodes");
    } else if (folded.size() > kMaxNameBytes) {
        error("has a name of more than 100 bytes");
    } else {
        conf.nodes.push_back(folded);
    }
}

bool HaCfParser::has_room_for_medium() {
    if (conf.media.size() + conf.pings.size() < kMaxMedia) {
        return true;
    }
    error("is one more than the 64 media that are possible");
    return false;
}

void HaCfParser::add_medium(HaMedium medium) {
    if (has_room_for_medium()) {
        conf.media.push_back(std::move(medium));
    }
}

void HaCfParser::add_ucast(std::string_view rest, bool v6) {
    const std::vector<std::string> words = ha_text::words_of(rest);
    if (words.size() != 2) {
        return error("needs an interface and the peer's address");
    }
    const bool bad = v6 ? !ha_text::is_ipv6(words[1])
                        : ha_text::looks_like_ipv4(words[1]) && !ha_text::is_ipv4(words[1]);
    if (bad) {
        return error(quoted(words[1]) + " is no " + (v6 ? "IPv6" : "IPv4") + " address");
    }
    port_used_ = true;
    add_medium(HaUcast{words[0], words[1], conf.udpport, v6});
}

void HaCfParser::add_bcast(std::string_view interface) {
    port_used_ = true;
    add_medium(HaBcast{std::string(interface), conf.udpport});
}

void HaCfParser::add_mcast(std::string_view rest, bool v6) {
    const std::vector<std::string> words = ha_text::words_of(rest);
    if (words.size() != 5) {
        return error("needs five values: interface, group, port, ttl and loop");
    }
    const auto first = ha_text::number_of(words[1].substr(0, words[1].find('.')), 255);
    const bool is_group = v6 ? ha_text::is_ipv6(words[1]) &&
                                   (words[1].starts_with("ff") || words[1].starts_with("FF"))
                             : ha_text::is_ipv4(words[1]) && first >= 224u && first <= 239u;
    const auto port = ha_text::number_of(words[2], 65535);
    const auto ttl = ha_text::number_of(words[3], 4);
    const auto loop = ha_text::number_of(words[4], 1);
    if (!is_group) {
        error(quoted(words[1]) + " is no multicast group" +
              (v6 ? " (ff00::/8)" : " (224.0.0.0/4)"));
    } else if (!port || *port == 0) {
        error("port " + quoted(words[2]) + " is not 1 to 65535");
    } else if (!ttl) {
        error("ttl " + quoted(words[3]) + " is not 0 to 4");
    } else if (!loop) {
        error("loop " + quoted(words[4]) + " is not 0 or 1");
    } else {
        if (*ttl == 0) {
            warning("with ttl 0: its messages do not leave this machine");
        }
        add_medium(HaMcast{words[0],
                           words[1],
                           static_cast<std::uint16_t>(*port),
                           static_cast<std::uint8_t>(*ttl),
                           *loop == 1,
                           v6});
    }
}

void HaCfParser::add_serial(std::string_view device) {
    if (!device.starts_with('/')) {
        return error(quoted(device) + " is not the absolute path of a device");
    }
    add_medium(HaSerial{std::string(device), conf.baud});
}

void HaCfParser::add_ping(std::string_view name, bool v6) {
    const bool bad =
        v6 ? !ha_text::is_ipv6(name) : ha_text::looks_like_ipv4(name) && !ha_text::is_ipv4(name);
    if (bad) {
        return error(quoted(name) + " is no " + (v6 ? "IPv6" : "IPv4") + " address");
    }
    if (has_room_for_medium()) {
        conf.pings.push_back({fold_node_name(name), {std::string(name)}, false, v6});
    }
}

void HaCfParser::add_ping_group(std::string_view rest) {
    std::vector<std::string> words = ha_text::words_of(rest, ", \t");
    if (words.size() < 2) {
        return error("needs a name and at least one address");
    }
    for (std::size_t i = 1; i < words.size(); ++i) {
        if (ha_text::looks_like_ipv4(words[i]) && !ha_text::is_ipv4(words[i])) {
            return error(quoted(words[i]) + " is no IPv4 address");
        }
    }
    if (has_room_for_medium()) {
        conf.pings.push_back(
            {fold_node_name(words[0]), {words.begin() + 1, words.end()}, true, false});
    }
}

void HaCfParser::add_respawn(std::string_view rest, bool failfast) {
    const auto [user, command] = ha_text::split_first(rest);
    if (!command.starts_with('/')) {
        return error("needs a user and the absolute path of a program");
    }
    conf.respawn.push_back({std::string(user), std::string(command), failfast});
}

void HaCfParser::add_api_auth(std::string_view rest) {
    const std::vector<std::string> words = ha_text::words_of(rest);
    HaApiAuth auth{words[0], {}, {}};
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (word.starts_with("uid=")) {
            auth.users = ha_text::words_of(word.substr(4), ",");
        } else if (word.starts_with("gid=")) {
            auth.groups = ha_text::words_of(word.substr(4), ",");
        } else {
            return error(quoted(word) + " is neither uid=LIST nor gid=LIST");
        }
    }
    conf.apiauth.push_back(std::move(auth));
}

void HaCfParser::add_stonith(std::string_view rest) {
    const std::vector<std::string> words = ha_text::words_of(rest);
    if (words.size() != 2) {
        return error("needs a type and a file with the device's parameters");
    }
    conf.stonith.push_back({"", words[0], words[1], ""});
}

void HaCfParser::add_stonith_host(std::string_view rest) {
    const auto [host, device] = ha_text::split_first(rest);
    const auto [type, parameters] = ha_text::split_first(device);
    if (type.empty()) {
        return error("needs a host or *, a type and the device's parameters");
    }
    conf.stonith.push_back({fold_node_name(host), std::string(type), "", std::string(parameters)});
}

void HaCfParser::add_env(std::string_view word) {
    const std::size_t equal = word.find('=');
    if (equal == 0 || equal == std::string_view::npos) {
        return error(quoted(word) + " is not NAME=value");
    }
    conf.env.emplace_back(word.substr(0, equal), word.substr(equal + 1));
}

void HaCfParser::set_time(std::chrono::milliseconds& value, std::string_view word) {
    const auto time = parse_ha_time(word);
    if (!time) {
        return error(quoted(word) + " is no time: seconds, or a number with ms or us");
    }
    if (time->count() == 0) {
        return error("must be more than 0");
    }
    value = *time;
}

void HaCfParser::set_optional_time(std::optional<std::chrono::milliseconds>& value,
                                   std::string_view word) {
    std::chrono::milliseconds time{0};
    set_time(time, word);
    if (time.count() != 0) {
        value = time;
    }
}

void HaCfParser::set_bool(bool& value, std::string_view word) {
    const auto meaning = parse_ha_bool(word);
    if (!meaning) {
        return error(quoted(word) + " is neither on nor off");
    }
    value = *meaning;
}

void HaCfParser::set_byte(std::uint8_t& value, std::string_view word) {
    const auto number = ha_text::number_of(word, 255);
    if (!number) {
        return error(quoted(word) + " is no number from 0 to 255");
    }
    value = static_cast<std::uint8_t>(*number);
}

void HaCfParser::set_udpport(std::string_view word) {
    const auto port = ha_text::number_of(word, 65535);
    if (!port || *port == 0) {
        return error(quoted(word) + " is no port from 1 to 65535");
    }
    if (port_used_) {
        return warning("is ignored: it must stand before the first bcast or ucast");
    }
    conf.udpport = static_cast<std::uint16_t>(*port);
}

void HaCfParser::set_baud(std::string_view word) {
    constexpr std::array<std::uint64_t, 7> kRates = {
        9600, 19200, 38400, 57600, 115200, 230400, 460800};
    const auto rate = ha_text::number_of(word, kRates.back());
    if (!rate || std::find(kRates.begin(), kRates.end(), *rate) == kRates.end()) {
        return error(quoted(word) + " is none of 9600 19200 38400 57600 115200 230400 460800");
    }
    const bool serial_before = std::any_of(conf.media.begin(), conf.media.end(), [](const auto& m) {
        return std::holds_alternative<HaSerial>(m);
    });
    if (baud_given_) {
        return error("is given twice");
    }
    if (serial_before) {
        return error("must stand before serial");
    }
    baud_given_ = true;
    conf.baud = static_cast<std::uint32_t>(*rate);
}

void HaCfParser::set_auto_failback(std::string_view word) {
    const std::string folded = fold_node_name(word);
    const auto meaning = parse_ha_bool(word);
    if (!meaning && folded != "legacy") {
        return error(quoted(word) + " is none of on, off and legacy");
    }
    conf.auto_failback = !meaning   ? AutoFailback::Legacy
                         : *meaning ? AutoFailback::On
                                    : AutoFailback::Off;
    conf.auto_failback_given = true;
}

// The original keeps the coordinated protocol only if auto_failback has chosen it before.
void HaCfParser::set_nice_failback(std::string_view word) {
    bool ignored = false;
    set_bool(ignored, word);
    const bool coordinated = conf.auto_failback_given && conf.auto_failback != AutoFailback::Legacy;
    conf.auto_failback = coordinated ? AutoFailback::Off : AutoFailback::Legacy;
    warning(std::string("is obsolete: use auto_failback. It means auto_failback ") +
            (coordinated ? "off" : "legacy"));
}

void HaCfParser::set_logfacility(std::string_view word) {
    if (std::find(kFacilities.begin(), kFacilities.end(), word) == kFacilities.end()) {
        return error(quoted(word) + " is no syslog facility, and not none");
    }
    conf.logfacility = word == "none" ? "" : std::string(word);
}

void HaCfParser::set_rtprio(std::string_view word) {
    const auto number = ha_text::number_of(word, 99);
    if (!number || *number == 0) {
        return error(quoted(word) + " is no real-time priority from 1 to 99");
    }
    conf.rtprio = static_cast<int>(*number);
}

void HaCfParser::set_watchdog(std::string_view word) {
    if (!conf.watchdog.empty()) {
        return error("is given twice");
    }
    if (!word.starts_with('/')) {
        return error(quoted(word) + " is not the absolute path of a device");
    }
    conf.watchdog = word;
}

void HaCfParser::set_max_rexmit_delay(std::string_view word) {
    const auto number = ha_text::number_of(word, 60'000);
    if (!number || *number == 0) {
        return error(quoted(word) + " is no number of milliseconds from 1 to 60000");
    }
    conf.max_rexmit_delay = std::chrono::milliseconds(*number);
}

void HaCfParser::refuse_crm(std::string_view word) {
    if (crm_given_) {
        error("is given twice");
    }
    crm_given_ = true;
    if (parse_ha_bool(word) != false) {
        error("must be off: this daemon works with haresources only");
    }
}

void HaCfParser::refuse_autojoin(std::string_view word) {
    if (word != "none") {
        error("must be none: members are those that ha.cf names");
    }
}

std::vector<std::string_view> ha_cf_directives() {
    std::vector<std::string_view> names;
    for (const Directive& directive : kDirectives) {
        names.push_back(directive.name);
    }
    return names;
}

}  // namespace config
