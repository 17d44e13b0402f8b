// Any bytes as each of the failover daemon's files: an answer, no crash, and what was accepted
// keeps the promises of the headers.
#include "base/require.h"
#include "config/ha/authkeys.h"
#include "config/ha/ha_cf.h"
#include "config/ha/ha_policy.h"
#include "config/ha/haresources.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

namespace {

void check_ha_cf(const config::HaParsed<config::HaCf>& parsed) {
    const config::HaCf& conf = parsed.value;
    REQUIRE(conf.media.size() + conf.pings.size() <= 64 && conf.nodes.size() <= 100);
    REQUIRE(conf.keepalive.count() > 0 || !parsed.ok());
    for (const config::HaMedium& medium : conf.media) {
        REQUIRE(!config::link_name(medium).empty());
    }
    const std::string node = conf.nodes.empty() ? "fuzz" : conf.nodes.back();
    REQUIRE(conf.nodes.empty() || conf.has_node(node));
    (void)config::check_ha_cf("fuzz", conf, node);
    (void)config::stonith_for(conf, node);
}

void check_haresources(const config::Haresources& resources, const config::HaCf& conf) {
    std::set<std::string> keys;
    for (const config::ResourceGroup& group : resources.groups) {
        REQUIRE(!group.words.empty() && keys.insert(group.key()).second);
        REQUIRE(resources.find(group.key()) == &group);
        for (const config::ResourceWord& word : group.words) {
            REQUIRE(!word.script.empty() && word.script.find('/') == std::string::npos);
        }
    }
    (void)config::check_haresources("fuzz", resources, conf);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto conf = config::parse_ha_cf("fuzz", text);
    check_ha_cf(conf);
    const auto resources = config::parse_haresources("fuzz", text);
    check_haresources(resources.value, conf.value);
    const auto keys = config::parse_authkeys("fuzz", text, 0600);
    REQUIRE(!keys.ok() || keys.value.sending() != nullptr);
    const auto policy = config::parse_ha_policy("fuzz", text);
    (void)config::check_ha_policy("fuzz", policy.value, conf.value, resources.value);
    return 0;
}
