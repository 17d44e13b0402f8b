#include "kmod-shim/node.h"

#include "kmod-shim/placeholder.h"
#include "kmod-shim/server_process.h"
#include "kmod-shim/usage.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;
namespace fs = std::filesystem;

namespace {

constexpr unsigned kDrbdMajor = 147;  // of the kernel module

Deadline deadline_after(std::chrono::milliseconds limit) {
    return std::chrono::steady_clock::now() + limit;
}

// The kernel prints backing files with all links resolved; so do we.
std::string canonical(const std::string& directory) {
    std::error_code error;
    const fs::path path = fs::weakly_canonical(directory, error);
    return error ? directory : path.string();
}

gid_t disk_group() {
    std::array<char, 4096> memory{};
    group entry{};
    group* found = nullptr;
    ::getgrnam_r("disk", &entry, memory.data(), memory.size(), &found);
    return found != nullptr ? entry.gr_gid : 0;
}

// Who is behind a node with this number, as far as we can say.
enum class NodeOwner { Nobody, Placeholder, ThisChain, OtherChain, Stranger };

NodeOwner owner_of(dev_t device, const VolumePath& ours) {
    if (is_placeholder(device)) {
        return NodeOwner::Placeholder;
    }
    if (!is_carriers_number(device)) {
        return NodeOwner::Stranger;
    }
    const auto volume = volume_behind(device, ours.run_dir);
    if (!volume || volume->minor != ours.minor) {
        return NodeOwner::Nobody;  // free, or the number has passed on: the node is stale
    }
    return volume->run_dir == ours.run_dir ? NodeOwner::ThisChain : NodeOwner::OtherChain;
}

// Parents of a link that became empty, up to and without `top`.
void remove_empty_parents(const fs::path& link, const fs::path& top) {
    for (fs::path dir = link.parent_path(); dir != top && dir.has_relative_path();
         dir = dir.parent_path()) {
        if (::rmdir(dir.c_str()) != 0) {
            return;
        }
    }
}

Result<void> replace_link(const std::string& path, const std::string& content) {
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    if (::symlink(content.c_str(), fresh.c_str()) != 0 ||
        ::rename(fresh.c_str(), path.c_str()) != 0) {
        const Error failed = system_error("cannot make the link " + path);
        ::unlink(fresh.c_str());
        return failed;
    }
    return {};
}

}  // namespace

std::string default_dev_dir() {
    const char* dir = std::getenv("DRBDD_DEV_DIR");
    return dir != nullptr && *dir != '\0' ? dir : "/dev";
}

DeviceNode::DeviceNode(NodeSpec spec, const NodePlaces& places)
    : spec_(std::move(spec)), places_(places) {
    places_.run_dir = canonical(places_.run_dir);
    places_.dev_dir = canonical(places_.dev_dir);
    if (places_.fuse_program.empty()) {
        places_.fuse_program = program_beside_us("drbdd-fuse");
    }
    node_path_ = places_.dev_dir + "/" + node_name(spec_.minor);
    files_ = run_files(places_.run_dir, spec_.minor);
    if (spec_.nbd_socket.empty()) {
        spec_.nbd_socket = places_.run_dir + "/" + node_name(spec_.minor) + ".nbd";
    }
    carriers_ = make_carriers({places_.run_dir,
                               spec_.minor,
                               spec_.nbd_socket,
                               places_.fuse_program,
                               program_beside_us("drbdd-ublk")});
}

const Carrier* DeviceNode::living_carrier() const {
    for (const auto& carrier : carriers_) {
        if (carrier->is_living()) {
            return carrier.get();
        }
    }
    return nullptr;
}

std::string DeviceNode::living() const {
    const Carrier* carrier = living_carrier();
    return carrier != nullptr ? carrier->name() : "";
}

bool DeviceNode::needs_server() const {
    const Carrier* carrier = living_carrier();
    return carrier != nullptr && carrier->needs_server();
}

Fd DeviceNode::watched_process() const {
    const Carrier* carrier = living_carrier();
    return carrier != nullptr ? carrier->watched_process() : Fd();
}

// ---- the placeholder

Result<void> DeviceNode::reserve() {
    if (auto place = check_place_is_free(); !place) {
        return place;
    }
    const auto number = block_device_number(node_path_);
    const bool is_kept =
        number && owner_of(*number, {places_.run_dir, spec_.minor}) != NodeOwner::Nobody;
    if (auto put = is_kept ? Result<void>() : put_placeholder(); !put) {
        return put;
    }
    return make_links();
}

// Its record comes first, so that whoever finds it knows whose it is.
Result<void> DeviceNode::put_placeholder() const {
    if (auto written = write_file(files_.placeholder, ""); !written) {
        return written;
    }
    auto put = put_node(placeholder_number(spec_.minor));
    if (!put) {
        ::unlink(files_.placeholder.c_str());
    }
    return put;
}

Result<void> DeviceNode::vacate() {
    spec_.placeholder = false;
    return give_up_node();
}

// ---- attach

Result<Choice> DeviceNode::attach() {
    const auto adopted = adopt();
    if (!adopted) {
        return adopted.error();
    }
    if (*adopted) {
        return Choice{living(), "", true};
    }
    if (auto cleared = detach(); !cleared) {  // remains of a crash
        return cleared.error();
    }
    if (auto place = check_place_is_free(); !place) {
        return place.error();
    }
    const Deadline deadline = deadline_after(places_.limit);
    std::vector<Way> ways;
    for (const std::string& name : spec_.carriers) {
        for (const auto& carrier : carriers_) {
            if (carrier->name() == name) {
                ways.push_back(
                    {name,
                     [&carrier] { return carrier->offered(); },
                     [this, &carrier, deadline] { return make_with(*carrier, deadline); }});
            }
        }
    }
    auto chosen = choose(ways, spec_.without_device);
    if (!chosen) {
        return Error{chosen.error().code, node_path_ + ": " + chosen.error().text};
    }
    return chosen;
}

Result<void> DeviceNode::make_with(Carrier& carrier, Deadline deadline) {
    const auto device = carrier.make(spec_.block_bytes, deadline);
    auto done = device ? make_node(*device) : Result<void>(device.error());
    if (!done) {
        const auto cleared = detach();
        const std::string more = cleared ? "" : "; and then: " + cleared.error().text;
        return Error{done.error().code, done.error().text + more};
    }
    return {};
}

Result<bool> DeviceNode::adopt() {
    const Deadline deadline = deadline_after(places_.limit);
    for (const auto& carrier : carriers_) {
        const auto device = carrier->is_living() ? carrier->find() : std::nullopt;
        if (!device) {
            continue;
        }
        if (auto taken = carrier->take_over(*device, deadline); !taken) {
            return Error{taken.error().code, node_path_ + ": " + taken.error().text};
        }
        if (auto made = make_node(*device); !made) {
            return made.error();
        }
        return true;
    }
    return false;
}

Result<void> DeviceNode::check_place_is_free() const {
    struct stat st {};

    if (::lstat(node_path_.c_str(), &st) != 0) {
        return {};
    }
    if (!S_ISBLK(st.st_mode)) {
        return Error{ErrorCode::Busy, node_path_ + " exists and is no block device: remove it"};
    }
    if (major(st.st_rdev) == kDrbdMajor && ::access("/proc/drbd", F_OK) == 0) {
        return Error{ErrorCode::Busy,
                     node_path_ +
                         " belongs to the kernel's DRBD: take the resource down there "
                         "first, or unload the module"};
    }
    switch (owner_of(st.st_rdev, {places_.run_dir, spec_.minor})) {
        case NodeOwner::OtherChain:
            return Error{ErrorCode::Busy,
                         node_path_ + " belongs to a daemon with another run directory (" +
                             volume_behind(st.st_rdev, places_.run_dir)->run_dir + ")"};
        case NodeOwner::Stranger:
            if (major(st.st_rdev) != kDrbdMajor) {
                return Error{ErrorCode::Busy, node_path_ + " is another driver's device"};
            }
            return {};  // of the module that is not loaded
        case NodeOwner::Nobody:
        case NodeOwner::Placeholder:
        case NodeOwner::ThisChain:
            return {};
    }
    return {};
}

std::string DeviceNode::fresh_path() const {
    return node_path_ + ".new";
}

// The name has the one before or this one, at any moment.
Result<void> DeviceNode::put_node(dev_t number) const {
    const std::string fresh = fresh_path();
    ::unlink(fresh.c_str());
    if (::mknod(fresh.c_str(), S_IFBLK | 0600, number) != 0 ||
        ::chown(fresh.c_str(), 0, disk_group()) != 0 || ::chmod(fresh.c_str(), 0660) != 0 ||
        ::rename(fresh.c_str(), node_path_.c_str()) != 0) {
        const Error failed = system_error("cannot make the node " + node_path_);
        ::unlink(fresh.c_str());
        return failed;
    }
    return {};
}

Result<void> DeviceNode::make_node(const BlockDevice& device) const {
    if (auto put = put_node(device.number); !put) {
        return put;
    }
    const Fd probe(::open(node_path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!probe) {
        return system_error("cannot open " + node_path_ +
                            " (is its file system mounted with 'nodev'?)");
    }
    return make_links();
}

Result<void> DeviceNode::make_links() const {
    const auto by_res = by_res_link(spec_.resource, spec_.volume, spec_.implicit_volume);
    if (!by_res) {
        return by_res.error();
    }
    std::vector<std::string> links{*by_res};
    if (!spec_.backing_disk.empty()) {
        const auto by_disk = by_disk_link(spec_.backing_disk);
        if (!by_disk) {
            return by_disk.error();
        }
        links.push_back(*by_disk);
    }
    for (const std::string& link : links) {
        const std::string content = link_content(link, node_name(spec_.minor));
        if (auto made = replace_link(places_.dev_dir + "/" + link, content); !made) {
            return made;
        }
    }
    return {};
}

// ---- detach

// The node goes first: from then on nobody new can find the device.
Result<void> DeviceNode::detach() {
    const Deadline deadline = deadline_after(places_.limit);
    for (const auto& carrier : carriers_) {
        if (const auto device = carrier->find()) {
            if (auto released = release(*carrier, *device, deadline); !released) {
                return released;
            }
        }
    }
    if (auto given_up = give_up_node(); !given_up) {
        return given_up;
    }
    for (const auto& carrier : carriers_) {
        if (auto cleared = carrier->clear(deadline); !cleared) {
            return cleared;
        }
    }
    return {};
}

Result<void> DeviceNode::release(Carrier& carrier, const BlockDevice& device, Deadline deadline) {
    auto claim = claim_unused(device, node_path_);
    if (!claim) {
        return claim.error();
    }
    if (auto given_up = give_up_node(); !given_up) {
        return given_up;
    }
    return carrier.release(device, std::move(*claim), deadline);
}

// Only what is ours or stale. Where a placeholder can't be made there is nothing instead.
Result<void> DeviceNode::give_up_node() const {
    ::unlink(fresh_path().c_str());  // a daemon may have ended in the middle of making it
    const auto number = block_device_number(node_path_);
    const NodeOwner owner =
        number ? owner_of(*number, {places_.run_dir, spec_.minor}) : NodeOwner::Nobody;
    const bool is_ours = ::access(files_.placeholder.c_str(), F_OK) == 0;
    const bool stays = owner == NodeOwner::OtherChain || owner == NodeOwner::Stranger ||
                       (owner == NodeOwner::Placeholder && (spec_.placeholder || !is_ours));
    if (!stays && !(number && spec_.placeholder && put_placeholder())) {
        if (auto removed = remove_node(); !removed) {
            return removed;
        }
    }
    if (!spec_.placeholder) {
        ::unlink(files_.placeholder.c_str());
    }
    return {};
}

// Then the links that led to it.
Result<void> DeviceNode::remove_node() const {
    if (block_device_number(node_path_) && ::unlink(node_path_.c_str()) != 0 && errno != ENOENT) {
        return system_error("cannot remove " + node_path_);
    }
    for (const std::string& link : link_paths()) {
        ::unlink(link.c_str());
        remove_empty_parents(link, places_.dev_dir);
    }
    return {};
}

// Every link below by-res and by-disk that leads to our node, whoever named it.
std::vector<std::string> DeviceNode::link_paths() const {
    std::vector<std::string> found;
    const fs::path top = fs::path(places_.dev_dir) / "drbd";
    std::error_code error;
    fs::recursive_directory_iterator entries(top, error);
    while (!error && entries != fs::recursive_directory_iterator()) {
        const auto content = read_link(entries->path().string());
        if (content && fs::path(*content).filename() == node_name(spec_.minor)) {
            found.push_back(entries->path().string());
        }
        entries.increment(error);
    }
    return found;
}

// ---- the rest

std::string DeviceNode::in_use() const {
    for (const auto& carrier : carriers_) {
        if (const auto device = carrier->find()) {
            const auto claim = claim_unused(*device, node_path_);
            return claim ? "" : claim.error().text;
        }
    }
    return "";
}

Result<void> DeviceNode::resize(std::uint64_t size_bytes) {
    for (const auto& carrier : carriers_) {
        if (const auto device = carrier->find()) {
            auto resized = carrier->resize(*device, size_bytes, deadline_after(places_.limit));
            if (!resized && resized.error().code == ErrorCode::Unsupported) {
                resized = make_anew(*carrier, resized.error());
            }
            if (!resized) {
                return Error{resized.error().code, node_path_ + ": " + resized.error().text};
            }
            return {};
        }
    }
    return Error{ErrorCode::State, node_path_ + " is not attached: cannot resize it"};
}

// As long as nobody uses it, nobody misses it for the moment.
Result<void> DeviceNode::make_anew(Carrier& carrier, const Error& reason) {
    if (auto detached = detach(); !detached) {
        return Error{detached.error().code,
                     reason.text + ", nor can it be made anew now, but at the next promotion: " +
                         detached.error().text};
    }
    return make_with(carrier, deadline_after(places_.limit));
}

}  // namespace shim
