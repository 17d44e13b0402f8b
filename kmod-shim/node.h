// /dev/drbdN: the block device of one replicated volume, and what carries it.
//
//   NBD server (daemon) - a Carrier: ublk, the kernel's nbd, or FUSE and loop - ublkbK, nbdK, loopK
//   DEVDIR/drbdN: a node with its number, or a placeholder; DEVDIR/drbd/by-res/RES/VOL and
//   by-disk/DISK: links
//
// The chain outlives the daemon: requests wait until the daemon's successor serves the export again
// and adopts the chain. Everything needed for that is found in RUNDIR and in /sys; nothing is
// remembered here.
//
// All calls block (bounded by `limit`, as long as the NBD server answers) and belong on a worker
// thread, never on the thread that serves the export. One caller at a time per minor.
// Block front ends specification, sections 0, 0.1, 2 and 4.
#pragma once

#include "base/result.h"
#include "kmod-shim/carrier.h"
#include "kmod-shim/choice.h"
#include "kmod-shim/names.h"

#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shim {

struct NodeSpec {
    unsigned minor = 0;
    std::string resource;
    unsigned volume = 0;
    bool implicit_volume = false;     // by-res link without the volume's number
    std::string backing_disk;         // for the by-disk link; empty: none
    std::string nbd_socket;           // empty: RUNDIR/drbdN.nbd
    std::uint32_t block_bytes = 512;  // logical block size, that of the export
    // Names of the carriers that may be used, in this order; what carries it already is kept.
    std::vector<std::string> carriers{std::begin(kBestFirst), std::end(kBestFirst)};
    WithoutDevice without_device = WithoutDevice::Refused;
    bool placeholder = false;  // a placeholder has the name while nothing carries it
};

// The default device directory: environment DRBDD_DEV_DIR, else /dev.
std::string default_dev_dir();

struct NodePlaces {
    std::string run_dir = "/run/drbdd";
    std::string dev_dir = default_dev_dir();
    std::string fuse_program;                 // empty: drbdd-fuse beside the running program
    std::chrono::milliseconds limit{10'000};  // of each call
};

class DeviceNode {
public:
    DeviceNode(NodeSpec spec, const NodePlaces& places);

    // Puts the placeholder, and the links, where nothing else is. A living chain's node, another
    // placeholder and what is not ours stay as they are; only the last is an error.
    base::Result<void> reserve();
    // After detach(): the name is free again.
    base::Result<void> vacate();

    // Makes the whole chain, or goes on with a living one, and tells which. On failure nothing of
    // it is left.
    base::Result<Choice> attach();

    // Goes on with the chain of a previous daemon; false if there is none that works.
    base::Result<bool> adopt();

    // The name of the carrier of the living chain; empty if there is none. Nothing is changed.
    std::string living() const;

    // Is there a chain that needs a process which adopt() replaces when it has ended?
    bool needs_server() const;
    // Readable when that process ends; empty if it has.
    Fd watched_process() const;

    // Takes the node away, and all that carries it after that. Busy, with the users' names, while
    // it is in use; repeating it, or calling it after any crash, finishes what is left.
    base::Result<void> detach();

    // The export has `size_bytes` now (the server already offers it to new connections).
    base::Result<void> resize(std::uint64_t size_bytes);

    // Who keeps it from being detached, in words; empty: nobody, or not attached.
    std::string in_use() const;

    const std::string& path() const { return node_path_; }

private:
    const Carrier* living_carrier() const;
    base::Result<void> make_with(Carrier& carrier, Deadline deadline);
    base::Result<void> make_anew(Carrier& carrier, const base::Error& reason);
    base::Result<void> check_place_is_free() const;
    base::Result<void> release(Carrier& carrier, const BlockDevice& device, Deadline deadline);
    base::Result<void> put_placeholder() const;
    base::Result<void> put_node(dev_t number) const;
    base::Result<void> make_node(const BlockDevice& device) const;
    base::Result<void> make_links() const;
    base::Result<void> give_up_node() const;
    base::Result<void> remove_node() const;
    std::string fresh_path() const;
    std::vector<std::string> link_paths() const;

    NodeSpec spec_;
    NodePlaces places_;
    RunFiles files_;
    std::vector<std::unique_ptr<Carrier>> carriers_;  // all there are
    std::string node_path_;
};

struct Sweep {
    std::vector<unsigned>
        living;  // minors whose chain works: to be served again at once, and adopted
    std::vector<std::string> notes;  // what was removed, or could not be, for the log
};

// At the daemon's start: takes down the broken chains of a previous daemon with this run directory,
// and removes nodes and links whose device is gone or has passed to someone else (whoever opened
// such a node would write to a stranger's disk). Chains of other run directories are left alone.
Sweep remove_stale_nodes(const NodePlaces& places);

}  // namespace shim
