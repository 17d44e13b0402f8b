#include "heartbeat/agents/ocf_parameters.h"

#include "config/ha/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

namespace hb {

namespace {

bool is_name(std::string_view word) {
    return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])) == 0 &&
           std::all_of(word.begin(), word.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '_';
           });
}

bool is_assignment(std::string_view word) {
    const std::size_t equals = word.find('=');
    return equals != std::string_view::npos && is_name(word.substr(0, equals));
}

std::pair<std::string, std::string> split_assignment(std::string_view word) {
    const std::size_t equals = word.find('=');
    return {std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
}

const std::map<std::string, std::vector<std::string>>& positional_names() {
    static const std::map<std::string, std::vector<std::string>> names = {
        {"Filesystem", {"device", "directory", "fstype", "options"}},
        {"MailTo", {"email", "subject"}},
        {"Delay", {"startdelay", "stopdelay"}},
        {"IPsrcaddr", {"ipaddress"}},
        {"LVM", {"volgrpname"}},
        {"apache", {"configfile"}},
        {"db2", {"instance"}},
        {"Raid1", {"raidconf", "raiddev"}},
        {"portblock", {"protocol", "portno", "action"}},
        {"WAS", {"config"}},
        {"ldirectord", {"configfile"}},
        {"iSCSITarget", {"iqn", "tid", "implementation"}},
        {"iSCSILogicalUnit", {"target_iqn", "lun", "path", "implementation"}},
        {"exportfs", {"clientspec", "directory", "fsid", "options"}},
        {"nfsserver", {"nfs_shared_infodir"}},
    };
    return names;
}

// ip[/mask[/nic[:label]][/broadcast]]; a third part that begins with a digit is the broadcast.
OcfParameters address_parameters(const std::string& agent, const std::string& word) {
    std::vector<std::string> parts = config::ha_text::parts_of(word, "/");
    parts.resize(4);
    if (agent == "SendArp") {
        return {{"ip", parts[0]}, {"nic", parts[1]}};
    }
    OcfParameters out = {{agent == "IPv6addr" ? "ipv6addr" : "ip", parts[0]}};
    if (!parts[2].empty() && std::isdigit(static_cast<unsigned char>(parts[2][0])) != 0) {
        parts[3] = std::exchange(parts[2], "");
    }
    constexpr std::array<const char*, 4> kNames = {"", "cidr_netmask", "nic", "broadcast"};
    for (std::size_t at = 1; at < parts.size(); ++at) {
        if (!parts[at].empty()) {
            out.emplace_back(kNames[at], parts[at]);
        }
    }
    if (agent == "IPaddr2") {
        out.emplace_back("lvs_support", "true");
    }
    return out;
}

bool is_address_agent(const std::string& agent) {
    return agent == "IPaddr" || agent == "IPaddr2" || agent == "IPv6addr" || agent == "SendArp";
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string without_quotes(const std::string& value) {
    const bool quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
                        value.back() == value.front();
    return quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

base::Result<OcfParameters> ocf_parameters(const std::string& agent,
                                           const std::vector<std::string>& args) {
    OcfParameters out;
    if (!args.empty() && std::all_of(args.begin(), args.end(), is_assignment)) {
        for (const std::string& word : args) {
            out.push_back(split_assignment(word));
        }
        return out;
    }
    if (is_address_agent(agent) && args.size() == 1) {
        return address_parameters(agent, args.front());
    }
    const auto known = positional_names().find(agent);
    const std::size_t most = known == positional_names().end() ? 0 : known->second.size();
    if (args.size() > most) {
        return base::Error{base::ErrorCode::Invalid,
                           "OCF agent " + agent + " takes " +
                               (most == 0 ? std::string("parameters by name only")
                                          : "at most " + std::to_string(most) + " arguments") +
                               "; write " + agent + "::name=value"};
    }
    for (std::size_t at = 0; at < args.size(); ++at) {
        out.emplace_back(known->second[at], args[at]);
    }
    return out;
}

base::Result<OcfParameters> parse_ocf_instance(const std::string& file, std::string_view text) {
    constexpr std::string_view kPrefix = "OCF_RESKEY_";
    OcfParameters out;
    int number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        line = trimmed(line.substr(0, line.find('#')));
        if (line.empty()) {
            continue;
        }
        if (!is_assignment(line)) {
            return base::Error{
                base::ErrorCode::Invalid,
                file + ":" + std::to_string(number) + ": not a line of the form NAME=value"};
        }
        auto [name, value] = split_assignment(line);
        if (name.starts_with(kPrefix)) {
            name.erase(0, kPrefix.size());
        }
        out.emplace_back(name, without_quotes(value));
    }
    return out;
}

std::vector<std::string> ocf_variables(const std::string& ocf_root,
                                       const std::string& provider,
                                       const std::string& agent,
                                       const std::string& instance,
                                       const OcfParameters& parameters) {
    std::vector<std::string> out = {"OCF_ROOT=" + ocf_root,
                                    "OCF_RA_VERSION_MAJOR=1",
                                    "OCF_RA_VERSION_MINOR=0",
                                    "OCF_RESOURCE_PROVIDER=" + provider,
                                    "OCF_RESOURCE_TYPE=" + agent,
                                    "OCF_RESOURCE_INSTANCE=" + instance};
    for (const auto& [name, value] : parameters) {
        out.push_back("OCF_RESKEY_" + name + "=" + value);
    }
    return out;
}

}  // namespace hb
