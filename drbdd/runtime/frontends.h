// What a resource plugs in to show its volumes to users: made by main's assembly, so that this room
// knows neither NBD nor device nodes.
#pragma once

#include "base/result.h"
#include "drbdd/io/block_device.h"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace runtime {

// A server of the volume that is there whatever the role. Lives on the resource's thread.
class Export {
public:
    virtual ~Export() = default;
    virtual base::Result<void> start() = 0;
    // Calls `stopped` (never from inside) when no client is left. Only after a successful start().
    virtual void stop(std::function<void()> stopped) = 0;
};

// /dev/drbdN: the volume while it is Primary. Its calls block, and come one at a time from a thread
// that is not the resource's (but for reserve(), which may come before the resource begins its
// work); any of them may come in any state.
class DeviceNode {
public:
    virtual ~DeviceNode() = default;

    // From now on, while it is not attached, a block device that nobody can open has its name. What
    // hinders that is logged: nothing depends on it.
    virtual void reserve() {}

    // No longer.
    virtual void vacate() {}

    virtual base::Result<void> attach(std::uint32_t block_bytes) = 0;
    // Busy, with the users' names, while it is in use.
    virtual base::Result<void> detach() = 0;
    virtual base::Result<void> resize(std::uint64_t size_bytes) = 0;
    // Who uses it, in words; empty if nobody does or it is not attached.
    virtual std::string in_use() = 0;
    // The name of the path that carries it: "fuse", "nbd", "none".
    virtual std::string frontend() = 0;

    // Why it is not a better one, in words; empty if it is the best, or was there before us.
    virtual std::string frontend_note() { return {}; }
};

struct VolumeIdentity {
    std::string resource;
    std::uint16_t volume = 0;
    std::uint32_t minor = 0;
    std::string device;     // "/dev/drbd5", as configured
    std::string disk;       // the backing disk, as configured
    bool implicit = false;  // by-res/RES, without a number
};

struct FrontendFactory {
    std::function<std::unique_ptr<Export>(
        boost::asio::io_context&, io::BlockDevice&, const VolumeIdentity&)>
        make_export;
    std::function<std::unique_ptr<DeviceNode>(const VolumeIdentity&)> make_node;
};

}  // namespace runtime
