#include "heartbeat/tools/options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <sys/utsname.h>

namespace hb::tools {

namespace {

std::string from_environment(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "";
}

}  // namespace

void add_places(CLI::App& app, Places& places) {
    places.run_dir = from_environment("DRBDD_RUN_DIR", "/run/drbdd");
    places.node = from_environment("__DRBD_NODE__", host_name());
    app.add_option("--run-dir", places.run_dir, "where the daemon's socket is");
    app.add_option("--node", places.node, "the name of this node");
    app.add_option("--ha-dir", places.ha_dir, "as of heartbeat; not used here");
    app.add_option("--state-dir", places.state_dir, "as of heartbeat; not used here");
}

std::optional<int> parse(CLI::App& app,
                         std::vector<std::string> words,
                         int usage_exit,
                         const Streams& streams) {
    std::reverse(words.begin(), words.end());  // as the library wants them
    try {
        app.parse(std::move(words));
        return std::nullopt;
    } catch (const CLI::Success& done) {
        return app.exit(done, streams.out, streams.err);
    } catch (const CLI::ParseError& error) {
        app.exit(error, streams.out, streams.err);
        return usage_exit;
    }
}

}  // namespace hb::tools
