// remove_stale_nodes(): what a previous daemon, or a previous boot, left behind.
#include "kmod-shim/node.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace shim {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kEndings[] = {
    ".fuse", ".fuse.pid", ".loop", ".nbd-device", ".ublk.pid", ".ublk-device", ".placeholder"};
constexpr std::string_view kFresh = ".new";  // a node that has not got its name yet

// Minors of which RUNDIR has any file: drbdN.fuse, drbdN.fuse.pid, drbdN.loop,
// drbdN.nbd-device, drbdN.ublk.pid, drbdN.ublk-device, drbdN.placeholder.
std::set<unsigned> minors_in(const std::string& run_dir) {
    std::set<unsigned> minors;
    for (const std::string& name : names_in(run_dir)) {
        const std::size_t dot = name.find('.');
        const auto minor = minor_of_node(name.substr(0, dot));
        const std::string rest = dot == std::string::npos ? "" : name.substr(dot);
        if (minor &&
            std::find(std::begin(kEndings), std::end(kEndings), rest) != std::end(kEndings)) {
            minors.insert(*minor);
        }
    }
    return minors;
}

bool is_stale(dev_t device, unsigned minor, const std::string& run_dir) {
    if (!is_carriers_number(device)) {
        return false;
    }
    const auto volume = volume_behind(device, run_dir);
    return !volume || volume->minor != minor;
}

void remove_stale_device_nodes(const NodePlaces& places, Sweep& sweep) {
    for (const std::string& name : names_in(places.dev_dir)) {
        const std::string path = places.dev_dir + "/" + name;
        const std::string_view fresh = name;
        const auto minor = minor_of_node(
            fresh.ends_with(kFresh) ? fresh.substr(0, fresh.size() - kFresh.size()) : fresh);
        const auto device = minor ? block_device_number(path) : std::nullopt;
        if (!device || !is_stale(*device, *minor, places.run_dir)) {
            continue;
        }
        const bool removed = ::unlink(path.c_str()) == 0;
        sweep.notes.push_back(
            (removed ? "removed the stale node " : "cannot remove the stale node ") + path);
    }
}

// Deepest first, so that folders which become empty can go as well.
void remove_dangling_links(const fs::path& directory, Sweep& sweep) {
    for (const std::string& name : names_in(directory.string())) {
        const fs::path path = directory / name;
        std::error_code error;
        if (fs::is_symlink(path, error)) {
            if (!fs::exists(path, error) && ::unlink(path.c_str()) == 0) {
                sweep.notes.push_back("removed the dangling link " + path.string());
            }
        } else if (fs::is_directory(path, error)) {
            remove_dangling_links(path, sweep);
        }
    }
    ::rmdir(directory.c_str());
}

}  // namespace

Sweep remove_stale_nodes(const NodePlaces& places) {
    Sweep sweep;
    for (const unsigned minor : minors_in(places.run_dir)) {
        NodeSpec spec;
        spec.minor = minor;
        DeviceNode node(spec, places);
        if (!node.living().empty()) {
            sweep.living.push_back(minor);
            continue;
        }
        const auto detached = node.detach();
        sweep.notes.push_back(detached ? "removed the remains of " + node.path()
                                       : "left the remains of " + node.path() +
                                             " in place: " + detached.error().text);
    }
    remove_stale_device_nodes(places, sweep);
    remove_dangling_links(fs::path(places.dev_dir) / "drbd", sweep);
    return sweep;
}

}  // namespace shim
