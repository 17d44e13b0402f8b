// /dev/drbdN: the block device of one replicated volume where neither nbd nor ublk exists.
//
//   NBD server (daemon) - unix socket - drbdd-fuse: RUNDIR/drbdN.fuse/volume - loopK, direct I/O
//   DEVDIR/drbdN: a node with loopK's number; DEVDIR/drbd/by-res/RES/VOL and by-disk/DISK: links
//
// The chain outlives the daemon: drbdd-fuse keeps requests until the daemon's successor serves
// the export again, and the successor adopts the chain. Everything needed for that is found in
// RUNDIR (locked pid file, number of our FUSE file system) and in /sys; nothing is remembered here.
//
// All calls block (bounded by `limit`, as long as the NBD server answers) and belong on a worker
// thread, never on the thread that serves the export. One caller at a time per minor.
// Block front ends specification, sections 0, 0.1 and 4.
#pragma once

#include "base/result.h"
#include "kmod-shim/loop_device.h"
#include "kmod-shim/names.h"

#include <chrono>
#include <cstdint>
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

    // Makes the whole chain, or goes on with a living one. On failure nothing of it is left.
    base::Result<void> attach();

    // Goes on with the chain of a previous daemon; false if there is none that works.
    base::Result<bool> adopt();

    // A chain of ours is there and its drbdd-fuse lives; nothing is changed.
    bool is_living() const;

    // Removes the node, then all that carries it. Busy, with the users' names, while it is in use;
    // repeating it, or calling it after any crash, finishes what is left.
    base::Result<void> detach();

    // The export has `size_bytes` now (the server already offers it to new connections).
    base::Result<void> resize(std::uint64_t size_bytes);

    // Who keeps it from being detached, in words; empty: nobody, or not attached.
    std::string in_use() const;

    const std::string& path() const { return node_path_; }

private:
    std::optional<LoopDevice> find_own_loop() const;
    base::Result<void> check_place_is_free() const;
    base::Result<void> start_volume(std::chrono::steady_clock::time_point deadline);
    base::Result<void> make_node(const LoopDevice& loop) const;
    base::Result<void> make_links() const;
    base::Result<void> remove_node() const;
    std::vector<std::string> link_paths() const;

    NodeSpec spec_;
    NodePlaces places_;
    RunFiles files_;
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
