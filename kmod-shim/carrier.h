// One way to carry /dev/drbdN: what makes a block device of the kernel out of the NBD export. An
// object knows the places of one minor and remembers nothing else: whatever is there is found in
// RUNDIR and in /sys, so that the daemon's successor finds it as well. Blocking calls.
// Block front ends specification, section 0.
#pragma once

#include "base/result.h"
#include "kmod-shim/block_device.h"
#include "kmod-shim/names.h"
#include "kmod-shim/system.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shim {

struct CarrierPlaces {
    std::string run_dir;
    unsigned minor = 0;
    std::string nbd_socket;
    std::string fuse_program;
    std::string ublk_program;
};

class Carrier {
public:
    virtual ~Carrier() = default;

    // "fuse", "nbd", "ublk"
    virtual std::string name() const = 0;

    // Has this machine what it needs? Else what is missing. Changes nothing.
    virtual base::Result<void> offered() const = 0;

    // The device that is ours, whether it works or not.
    virtual std::optional<BlockDevice> find() const = 0;

    // There is one, and it works as soon as the export is served.
    virtual bool is_living() const = 0;

    // Does its device do nothing without a process of ours that take_over() can replace?
    virtual bool needs_server() const { return false; }

    // Readable when that process ends; empty if it has.
    virtual Fd watched_process() const { return {}; }

    // On failure the caller cleans up: by release() of what find() finds, and by clear().
    virtual base::Result<BlockDevice> make(std::uint32_t block_bytes, Deadline deadline) = 0;

    // Goes on with a living device of a previous daemon, or of this one.
    virtual base::Result<void> take_over(const BlockDevice& device, Deadline deadline) = 0;

    // The device is free for others when it returns; `claim` is its only opener.
    virtual base::Result<void> release(const BlockDevice& device, Fd claim, Deadline deadline) = 0;

    // What is left when there is no device any more.
    virtual base::Result<void> clear(Deadline deadline) = 0;

    // The export has another size now. Unsupported: only a new device can have it.
    virtual base::Result<void> resize(const BlockDevice& device,
                                      std::uint64_t size_bytes,
                                      Deadline deadline) = 0;
};

// All there are, the best first.
std::vector<std::unique_ptr<Carrier>> make_carriers(const CarrierPlaces& places);
inline constexpr const char* kBestFirst[] = {"ublk", "nbd", "fuse"};

// Devices with this number are made by one of them.
bool is_carriers_number(dev_t number);

// The volume that the device with this number carries; nothing if it is free or somebody else's.
// `run_dir` is our own.
std::optional<VolumePath> volume_behind(dev_t number, const std::string& run_dir);

}  // namespace shim
