// Calls DeviceNode for the script beside it. Each run is a process of its own, so every command
// after `attach` is what a restarted daemon would do.
#include "kmod-shim/node.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <map>

namespace {

template <typename Value>
int report(const base::Result<Value>& result) {
    if (!result) {
        std::printf("%s\n", result.error().text.c_str());
    }
    return result ? 0 : 1;
}

int adopt(shim::DeviceNode& node) {
    const auto adopted = node.adopt();
    std::printf("%s\n", !adopted ? adopted.error().text.c_str() : *adopted ? "adopted" : "nothing");
    return adopted ? 0 : 1;
}

int print_users(const shim::DeviceNode& node) {
    std::printf("%s\n", node.in_use().c_str());
    return 0;
}

int sweep(const shim::NodePlaces& places) {
    const shim::Sweep done = shim::remove_stale_nodes(places);
    for (const unsigned minor : done.living) {
        std::printf("living %u\n", minor);
    }
    for (const std::string& note : done.notes) {
        std::printf("%s\n", note.c_str());
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    shim::NodeSpec spec;
    shim::NodePlaces places;
    std::string command;
    std::uint64_t size_bytes = 0;
    CLI::App app{"Test driver for DeviceNode"};
    app.add_option("command", command, "reserve|attach|adopt|detach|vacate|in-use|resize|sweep")
        ->required();
    app.add_option("--run-dir", places.run_dir);
    app.add_option("--dev-dir", places.dev_dir);
    app.add_option("--minor", spec.minor);
    app.add_option("--resource", spec.resource);
    app.add_option("--volume", spec.volume);
    app.add_option("--disk", spec.backing_disk);
    app.add_option("--block-size", spec.block_bytes);
    app.add_option("--size", size_bytes);
    app.add_flag("--placeholder", spec.placeholder);
    CLI11_PARSE(app, argc, argv);

    shim::DeviceNode node(spec, places);
    const std::map<std::string, std::function<int()>> commands{
        {"reserve", [&] { return report(node.reserve()); }},
        {"vacate", [&] { return report(node.vacate()); }},
        {"attach", [&] { return report(node.attach()); }},
        {"adopt", [&] { return adopt(node); }},
        {"detach", [&] { return report(node.detach()); }},
        {"in-use", [&] { return print_users(node); }},
        {"resize", [&] { return report(node.resize(size_bytes)); }},
        {"sweep", [&] { return sweep(places); }},
    };
    const auto found = commands.find(command);
    return found != commands.end() ? found->second() : 2;
}
