#include "config/ha/haresources.h"

#include "config/ha/text.h"

#include <algorithm>
#include <map>

namespace config {

using ha_text::quoted;

namespace {

constexpr std::size_t kMaxGroups = 100;
constexpr std::size_t kMaxWords = 100;  // of one group

// `a.b.c.d` with options behind slashes: the shorthand for IPaddr.
bool is_shorthand(std::string_view word) {
    return word.find("::") == std::string_view::npos &&
           ha_text::looks_like_ipv4(word.substr(0, word.find('/')));
}

bool is_netmask(std::string_view word) {
    return ha_text::number_of(word, 32).has_value() || ha_text::is_ipv4(word);
}

// `ip[/mask[/interface[:label]][/broadcast]]`; the third part is the broadcast address if it starts
// with a digit. The text of what is wrong, empty if nothing is.
std::string address_fault(std::string_view argument) {
    const std::vector<std::string> parts = ha_text::parts_of(argument, "/");
    if (!ha_text::is_ipv4(parts[0])) {
        return quoted(parts[0]) + " is no IPv4 address (four numbers up to 255)";
    }
    if (parts.size() > 1 && !is_netmask(parts[1])) {
        return quoted(parts[1]) + " is neither a prefix length up to 32 nor a netmask";
    }
    const bool broadcast_third =
        parts.size() > 2 && !parts[2].empty() && parts[2][0] >= '0' && parts[2][0] <= '9';
    if (broadcast_third && !ha_text::is_ipv4(parts[2])) {
        return quoted(parts[2]) + " is no broadcast address";
    }
    if (parts.size() > 3 && (broadcast_third || !ha_text::is_ipv4(parts[3]))) {
        return quoted(parts[3]) + " is no broadcast address";
    }
    return parts.size() > 4 ? "has too many parts behind slashes" : "";
}

std::string word_fault(const ResourceWord& word) {
    if (word.script.empty()) {
        return "names no script before '::'";
    }
    if (word.script.find('/') != std::string::npos || word.script.starts_with('.')) {
        return "is no script of resource.d or init.d, nor an IPv4 address";
    }
    if (word.script == "IPaddr" || word.script == "IPaddr2") {
        return word.args.empty() ? "needs an address" : address_fault(word.args[0]);
    }
    if (word.script == "IPv6addr") {
        const std::string address =
            word.args.empty() ? "" : word.args[0].substr(0, word.args[0].find('/'));
        const bool option =
            word.args.size() == 2 && (word.args[1] == "force" || word.args[1] == "refuse");
        return (word.args.size() == 1 || option) && ha_text::is_ipv6(address)
                   ? ""
                   : "needs one IPv6 address, written without '::', which separates arguments";
    }
    return "";
}

// The same resource may be written in two ways.
std::string canonical(const ResourceWord& word) {
    std::string text = word.script;
    for (const std::string& arg : word.args) {
        text += "::" + arg;
    }
    return text;
}

class HaresourcesParser {
public:
    HaresourcesParser(Haresources& out, ha_text::Reporter& reporter)
        : out_(out), reporter_(reporter) {}

    void take(const ha_text::Line& line);

private:
    bool check(const ResourceGroup& group);

    Haresources& out_;
    ha_text::Reporter& reporter_;
    std::map<std::string, int> lines_;  // of each resource, in canonical form
};

void HaresourcesParser::take(const ha_text::Line& line) {
    const std::vector<std::string> words = ha_text::words_of(line.text);
    ResourceGroup group{fold_node_name(words[0]), {}, line.number};
    if (words.size() == 1) {
        return reporter_.warning(line.number, "node " + quoted(group.node) + " has no resource");
    }
    if (words.size() - 1 > kMaxWords || out_.groups.size() == kMaxGroups) {
        return reporter_.error(line.number, "more than 100 groups, or resources in a group");
    }
    for (std::size_t i = 1; i < words.size(); ++i) {
        std::vector<std::string> parts = is_shorthand(words[i])
                                             ? std::vector<std::string>{"IPaddr", words[i]}
                                             : ha_text::parts_of(words[i], "::");
        group.words.push_back({parts[0], {parts.begin() + 1, parts.end()}, words[i]});
    }
    if (check(group)) {
        out_.groups.push_back(std::move(group));
    }
}

// A resource that stands in two places would be started by one and stopped by the other; of a
// group's first word, the key, the original would even join the two groups.
bool HaresourcesParser::check(const ResourceGroup& group) {
    bool good = true;
    for (const ResourceWord& word : group.words) {
        const std::string fault = word_fault(word);
        if (!fault.empty()) {
            reporter_.error(group.line, "resource " + quoted(word.text) + " " + fault);
            good = false;
            continue;
        }
        const auto [first, is_new] = lines_.emplace(canonical(word), group.line);
        if (is_new) {
            continue;
        }
        const std::string text = "resource " + quoted(word.text) + " is already on line " +
                                 std::to_string(first->second);
        if (&word == &group.words.front()) {
            reporter_.error(group.line, text + ": the first resource names its group");
            good = false;
        } else {
            reporter_.warning(group.line, text);
        }
    }
    return good;
}

}  // namespace

const ResourceGroup* Haresources::find(std::string_view key) const {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const ResourceGroup& group) {
        return group.key() == key;
    });
    return found == groups.end() ? nullptr : &*found;
}

HaParsed<Haresources> parse_haresources(const std::string& file, std::string_view text) {
    HaParsed<Haresources> parsed;
    ha_text::Reporter reporter(file, parsed.findings);
    HaresourcesParser parser(parsed.value, reporter);
    for (const ha_text::Line& line :
         ha_text::lines_of(text, ha_text::Comments::Anywhere, true, reporter)) {
        parser.take(line);
    }
    return parsed;
}

HaFindings check_haresources(const std::string& file,
                             const Haresources& resources,
                             const HaCf& conf) {
    HaFindings findings;
    ha_text::Reporter reporter(file, findings);
    for (const ResourceGroup& group : resources.groups) {
        if (!conf.has_node(group.node)) {
            reporter.error(group.line, "node " + quoted(group.node) + " is not in ha.cf");
        }
    }
    if (resources.groups.empty()) {
        reporter.warning("names no resources: there is nothing to take over");
    }
    return findings;
}

}  // namespace config
