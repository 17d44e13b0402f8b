// haresources: which groups of resources there are and where each is at home. Heartbeat
// specification, section 1.4. Pure.
#pragma once

#include "config/ha/findings.h"
#include "config/ha/ha_cf.h"

#include <string>
#include <string_view>
#include <vector>

namespace config {

// `Script::arg1::arg2`, or an IPv4 address with its options, which means `IPaddr::` and the word.
struct ResourceWord {
    std::string script;
    std::vector<std::string> args;
    std::string text;  // as it is written: the key by which the nodes speak of a group
};

struct ResourceGroup {
    std::string node;                 // where it is at home, in lower case
    std::vector<ResourceWord> words;  // left to right, at least one
    int line = 0;                     // where it begins

    const std::string& key() const { return words.front().text; }
};

struct Haresources {
    std::vector<ResourceGroup> groups;  // in file order

    const ResourceGroup* find(std::string_view key) const;  // null: none
};

HaParsed<Haresources> parse_haresources(const std::string& file, std::string_view text);

// A home that is no configured node is an error.
HaFindings check_haresources(const std::string& file,
                             const Haresources& resources,
                             const HaCf& conf);

}  // namespace config
