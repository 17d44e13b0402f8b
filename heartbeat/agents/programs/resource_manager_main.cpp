// ResourceManager: groups of resources by hand. See heartbeat/agents/resource_manager.h.
#include "heartbeat/agents/environment.h"
#include "heartbeat/agents/resource_manager.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sys/utsname.h>

namespace {

std::string variable(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string host_name() {
    utsname names{};
    ::uname(&names);
    return names.nodename;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return text;
}

base::Result<config::Haresources> read_haresources(const std::string& path) {
    std::ifstream in(path);
    if (!in) {
        return base::Error{base::ErrorCode::NotFound, path + " cannot be read"};
    }
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    auto parsed = config::parse_haresources(path, text);
    if (!parsed.ok()) {
        return base::Error{base::ErrorCode::Invalid, parsed.findings.errors.front()};
    }
    return std::move(parsed.value);
}

}  // namespace

int main(int argc, char** argv) {
    std::string ha_dir = variable("HA_DIR", "/etc/ha.d");
    std::string node = variable("HA_CURHOST", variable("__DRBD_NODE__", host_name()));
    std::string run_dir = variable("DRBDD_RUN_DIR", "/run/drbdd");
    std::string state_dir = "/var/lib/heartbeat";
    std::vector<std::string> words;
    CLI::App app(
        "Starts, stops and tells groups of haresources by hand: listkeys NODE, allkeys, ourkeys,\n"
        "otherkeys, status RESOURCE, takegroup KEY, givegroup KEY, statgroup KEY, verifyallidle");
    app.add_option("--ha-dir", ha_dir, "the failover daemon's files")->capture_default_str();
    app.add_option("--run-dir", run_dir, "of the daemons")->capture_default_str();
    app.add_option("--state-dir", state_dir, "where the daemon keeps its FIFO")
        ->capture_default_str();
    app.add_option("--node", node, "the name of this node")->capture_default_str();
    app.add_option("command", words, "a sub-command and its argument");
    CLI11_PARSE(app, argc, argv);

    const auto resources = read_haresources(ha_dir + "/haresources");
    if (!resources) {
        std::cerr << "ERROR: " << resources.error().text << '\n';
        return 1;
    }
    hb::AgentEnvironment environment;
    environment.ha_dir = ha_dir;
    environment.node = lower(node);
    environment.fifo = state_dir + "/fifo";
    environment.inherited = {"DRBDD_RUN_DIR=" + run_dir};
    const auto more = hb::inherited_variables({"__DRBD_NODE__", "DRBDD_DEV_DIR", "TZ"});
    environment.inherited.insert(environment.inherited.end(), more.begin(), more.end());
    hb::ResourceManager::Setup setup;
    setup.resources = *resources;
    setup.paths.ha_dir = ha_dir;
    setup.paths.own_dir = hb::own_agent_dir();
    setup.node = environment.node;
    setup.variables = hb::agent_environment(environment);
    return hb::ResourceManager(std::move(setup), std::cout, std::cerr).run(words);
}
