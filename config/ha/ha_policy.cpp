#include "config/ha/ha_policy.h"

#include "config/ha/text.h"

#include <algorithm>
#include <set>
#include <span>

namespace config {

using ha_text::quoted;

namespace {

using Words = std::vector<std::string>;

constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::size_t kMaxMonitors = 100;

// One line at a time; a statement that is not understood throws nothing away but itself.
class PolicyParser {
public:
    PolicyParser(HaPolicy& policy, ha_text::Reporter& reporter)
        : policy_(policy), reporter_(reporter) {}

    void take(const ha_text::Line& line);

    struct Statement {
        std::string_view name;
        void (PolicyParser::*take)();
        bool repeatable;
    };

    static std::span<const Statement> statements();

private:
    void agent_timeout();
    void takeover();
    void takeover_delay();
    void quorum_ping();
    void disk_heartbeat();
    void fence_command();
    void fence_timeout();
    void partition_policy();
    void alarm();
    void monitor();
    void handover_limit();

    std::optional<std::size_t> probe(HaMonitor& monitor);
    bool monitor_options(HaMonitor& monitor, std::size_t at);

    void error(const std::string& text) { reporter_.error(line_, words_[0] + " " + text); }

    bool has_words(std::size_t count, const std::string& usage);
    std::optional<std::chrono::milliseconds> time(std::size_t at);
    bool once(const std::string& what);

    HaPolicy& policy_;
    ha_text::Reporter& reporter_;
    std::set<std::string> given_;
    Words words_;
    std::string rest_;  // the line behind the first word
    int line_ = 0;
};

std::span<const PolicyParser::Statement> PolicyParser::statements() {
    static constexpr Statement kStatements[] = {
        {"agent_timeout", &PolicyParser::agent_timeout, true},
        {"takeover", &PolicyParser::takeover, false},
        {"takeover_delay", &PolicyParser::takeover_delay, false},
        {"quorum_ping", &PolicyParser::quorum_ping, false},
        {"disk_heartbeat", &PolicyParser::disk_heartbeat, false},
        {"fence_command", &PolicyParser::fence_command, false},
        {"fence_timeout", &PolicyParser::fence_timeout, false},
        {"partition_policy", &PolicyParser::partition_policy, false},
        {"alarm", &PolicyParser::alarm, true},
        {"monitor", &PolicyParser::monitor, true},
        {"handover_limit", &PolicyParser::handover_limit, false},
    };
    return kStatements;
}

void PolicyParser::take(const ha_text::Line& line) {
    line_ = line.number;
    words_ = ha_text::words_of(line.text);
    rest_ = std::string(ha_text::split_first(line.text).second);
    const auto all = statements();
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const Statement& s) { return s.name == words_[0]; });
    if (found == all.end()) {
        reporter_.error(line_, "unknown statement " + quoted(words_[0]));
    } else if (found->repeatable || once(words_[0])) {
        (this->*found->take)();
    }
}

bool PolicyParser::once(const std::string& what) {
    if (given_.insert(what).second) {
        return true;
    }
    reporter_.error(line_, what + " is given twice");
    return false;
}

bool PolicyParser::has_words(std::size_t count, const std::string& usage) {
    if (words_.size() == count + 1) {
        return true;
    }
    error("needs: " + usage);
    return false;
}

std::optional<std::chrono::milliseconds> PolicyParser::time(std::size_t at) {
    const auto value = parse_ha_time(words_[at]);
    if (!value || value->count() == 0) {
        error(quoted(words_[at]) + " is no time: seconds, or a number with ms");
        return std::nullopt;
    }
    return value;
}

void PolicyParser::agent_timeout() {
    if (!has_words(2, "start|stop|status TIME") || !once("agent_timeout " + words_[1])) {
        return;
    }
    auto* const limit = words_[1] == "start"    ? &policy_.start_timeout
                        : words_[1] == "stop"   ? &policy_.stop_timeout
                        : words_[1] == "status" ? &policy_.status_timeout
                                                : nullptr;
    if (limit == nullptr) {
        return error("is for start, stop or status, not " + quoted(words_[1]));
    }
    *limit = time(2);
}

void PolicyParser::takeover() {
    if (!has_words(1, "auto|manual")) {
        return;
    }
    if (words_[1] != "auto" && words_[1] != "manual") {
        return error("must be auto or manual, not " + quoted(words_[1]));
    }
    policy_.takeover = words_[1] == "auto" ? Takeover::Auto : Takeover::Manual;
}

void PolicyParser::takeover_delay() {
    if (has_words(1, "TIME")) {
        policy_.takeover_delay = time(1).value_or(policy_.takeover_delay);
    }
}

void PolicyParser::quorum_ping() {
    if (!has_words(1, "NUMBER")) {
        return;
    }
    const auto number = ha_text::number_of(words_[1], 64);
    if (!number || *number == 0) {
        return error(quoted(words_[1]) + " is no number of ping nodes from 1 to 64");
    }
    policy_.quorum_ping = static_cast<unsigned>(*number);
}

void PolicyParser::disk_heartbeat() {
    if (!has_words(2, "DEVICE OFFSET")) {
        return;
    }
    const auto offset = ha_text::number_of(words_[2], std::uint64_t{1} << 60);
    if (!words_[1].starts_with('/')) {
        error(quoted(words_[1]) + " is not the absolute path of a device");
    } else if (!offset || *offset % kBlockBytes != 0) {
        error("offset " + quoted(words_[2]) + " is no multiple of 4096 bytes");
    } else {
        policy_.disk_heartbeat = {words_[1], *offset};
    }
}

void PolicyParser::fence_command() {
    if (!rest_.starts_with('/')) {
        return error("needs the absolute path of a program, and perhaps arguments");
    }
    policy_.fence_command = rest_;
}

void PolicyParser::fence_timeout() {
    if (has_words(1, "TIME")) {
        policy_.fence_timeout = time(1).value_or(policy_.fence_timeout);
    }
}

void PolicyParser::partition_policy() {
    if (!has_words(1, "restart|gentle")) {
        return;
    }
    if (words_[1] != "restart" && words_[1] != "gentle") {
        return error("must be restart or gentle, not " + quoted(words_[1]));
    }
    policy_.partition_policy =
        words_[1] == "restart" ? PartitionPolicy::Restart : PartitionPolicy::Gentle;
}

void PolicyParser::alarm() {
    if (!has_words(2, "mail ADDRESS, or command PATH")) {
        return;
    }
    if (words_[1] == "mail") {
        // An address that starts with a dash would be an option of the mail program.
        if (words_[2].starts_with('-')) {
            return error(quoted(words_[2]) + " is no mail address");
        }
        policy_.alarms.mail.push_back(words_[2]);
    } else if (words_[1] != "command") {
        error("is mail or command, not " + quoted(words_[1]));
    } else if (!words_[2].starts_with('/')) {
        error(quoted(words_[2]) + " is not the absolute path of a program");
    } else {
        policy_.alarms.commands.push_back(words_[2]);
    }
}

void PolicyParser::handover_limit() {
    if (!has_words(2, "NUMBER TIME")) {
        return;
    }
    const auto number = ha_text::number_of(words_[1], 1000);
    if (!number || *number == 0) {
        return error(quoted(words_[1]) + " is no number from 1 to 1000");
    }
    if (const auto window = time(2)) {
        policy_.handover_limit = static_cast<unsigned>(*number);
        policy_.handover_window = *window;
    }
}

// "host:port" or "[v6]:port".
std::optional<TcpProbe> tcp_address(std::string_view word, std::optional<std::uint16_t> usual) {
    std::size_t colon = word.rfind(':');
    const std::size_t bracket = word.rfind(']');
    const bool ported =
        colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
    if (!ported && !usual) {
        return std::nullopt;
    }
    const auto port =
        ported ? ha_text::number_of(word.substr(colon + 1), 65535) : std::uint64_t{*usual};
    std::string_view host = ported ? word.substr(0, colon) : word;
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (!ha_text::is_ipv6(host)) {
            return std::nullopt;
        }
    } else if (host.find(':') != std::string_view::npos) {
        return std::nullopt;
    }
    const bool mistyped = ha_text::looks_like_ipv4(host) && !ha_text::is_ipv4(host);
    if (host.empty() || mistyped || !port || *port == 0) {
        return std::nullopt;
    }
    return TcpProbe{std::string(host), static_cast<std::uint16_t>(*port)};
}

// Where the options begin; nothing after an error.
std::optional<std::size_t> PolicyParser::probe(HaMonitor& monitor) {
    const std::string& kind = words_[2];
    const std::size_t values = kind == "agent" ? 0 : kind == "sql" ? 2 : 1;
    if (kind != "agent" && kind != "tcp" && kind != "sql" && kind != "write") {
        error("is by agent, tcp, sql or write, not " + quoted(kind));
        return std::nullopt;
    }
    if (words_.size() < 3 + values) {
        error(kind + (values == 2 ? " needs a socket or host and a user" : " needs a value"));
        return std::nullopt;
    }
    if (kind == "tcp") {
        const auto address = tcp_address(words_[3], std::nullopt);
        if (!address) {
            error("tcp " + quoted(words_[3]) + " is not ADDRESS:PORT");
            return std::nullopt;
        }
        monitor.probe = *address;
    } else if (kind == "sql" && words_[3].starts_with('/')) {
        monitor.probe = SqlProbe{words_[3], "", 0, words_[4]};
    } else if (kind == "sql") {
        const auto address = tcp_address(words_[3], std::uint16_t{3306});
        if (!address) {
            error("sql " + quoted(words_[3]) + " is neither the path of a socket nor HOST[:PORT]");
            return std::nullopt;
        }
        monitor.probe = SqlProbe{"", address->host, address->port, words_[4]};
    } else if (kind == "write") {
        if (!words_[3].starts_with('/')) {
            error("write " + quoted(words_[3]) + " is not the absolute path of a directory");
            return std::nullopt;
        }
        monitor.probe = WriteProbe{words_[3]};
    }
    return 3 + values;
}

bool PolicyParser::monitor_options(HaMonitor& monitor, std::size_t at) {
    std::set<std::string> seen;
    for (; at + 1 < words_.size(); at += 2) {
        const std::string& name = words_[at];
        if (!seen.insert(name).second) {
            error(name + " is given twice");
            return false;
        }
        if (name == "restart") {
            const auto number = ha_text::number_of(words_[at + 1], 1000);
            if (!number) {
                error("restart " + quoted(words_[at + 1]) + " is no number up to 1000");
                return false;
            }
            monitor.restarts = static_cast<unsigned>(*number);
            continue;
        }
        auto* const value = name == "interval"  ? &monitor.interval
                            : name == "timeout" ? &monitor.timeout
                            : name == "window"  ? &monitor.window
                                                : nullptr;
        if (value == nullptr) {
            error("has no option " + quoted(name) + ": interval, timeout, restart, window");
            return false;
        }
        const auto given = time(at + 1);
        if (!given) {
            return false;
        }
        *value = *given;
    }
    if (at < words_.size()) {
        error(quoted(words_[at]) + " needs a value");
        return false;
    }
    if (monitor.interval.count() == 0 || monitor.timeout.count() == 0) {
        error("needs an interval and a timeout");
        return false;
    }
    return true;
}

void PolicyParser::monitor() {
    if (words_.size() < 3) {
        return error("needs: RESOURCE agent|tcp|sql|write ... interval TIME timeout TIME");
    }
    if (policy_.monitors.size() == kMaxMonitors) {
        return error("is one more than the 100 monitors that are possible");
    }
    HaMonitor made;
    made.resource = words_[1];
    made.line = line_;
    const auto options = probe(made);
    if (options && monitor_options(made, *options)) {
        policy_.monitors.push_back(std::move(made));
    }
}

}  // namespace

HaParsed<HaPolicy> parse_ha_policy(const std::string& file, std::string_view text) {
    HaParsed<HaPolicy> parsed;
    ha_text::Reporter reporter(file, parsed.findings);
    PolicyParser parser(parsed.value, reporter);
    for (const ha_text::Line& line :
         ha_text::lines_of(text, ha_text::Comments::Anywhere, false, reporter)) {
        parser.take(line);
    }
    return parsed;
}

std::vector<std::string_view> ha_policy_statements() {
    std::vector<std::string_view> names;
    for (const PolicyParser::Statement& statement : PolicyParser::statements()) {
        names.push_back(statement.name);
    }
    return names;
}

std::vector<const ResourceWord*> monitored_words(const HaMonitor& monitor,
                                                 const Haresources& resources) {
    std::vector<const ResourceWord*> words;
    for (const ResourceGroup& group : resources.groups) {
        for (const ResourceWord& word : group.words) {
            if (word.text == monitor.resource || word.script == monitor.resource) {
                words.push_back(&word);
            }
        }
    }
    return words;
}

HaFindings check_ha_policy(const std::string& file,
                           const HaPolicy& policy,
                           const HaCf& conf,
                           const Haresources& resources) {
    HaFindings findings;
    ha_text::Reporter reporter(file, findings);
    for (const HaMonitor& monitor : policy.monitors) {
        if (monitored_words(monitor, resources).empty()) {
            reporter.error(
                monitor.line,
                "monitor " + quoted(monitor.resource) + ": haresources has no such resource");
        }
    }
    if (policy.quorum_ping > conf.pings.size()) {
        reporter.error("quorum_ping " + std::to_string(policy.quorum_ping) + ": ha.cf has only " +
                       std::to_string(conf.pings.size()) + " ping nodes");
    }
    return findings;
}

}  // namespace config
