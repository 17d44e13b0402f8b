// A volume as front ends see it: checks a request against the device, cuts it into pieces that the
// engine takes, and joins their completions. Knows who uses the device.
//
// Belongs to the resource's thread.
#pragma once

#include "base/units.h"
#include "drbdd/engine/effects.h"
#include "drbdd/engine/status.h"
#include "drbdd/io/block_device.h"
#include "drbdd/runtime/event_sink.h"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace runtime {

// Gives each piece of a request its id, and finds its way back. One per resource, because the
// engine names a completed request by its id alone.
class RequestIds {
public:
    engine::RequestId next() { return {++last_}; }

private:
    std::uint64_t last_ = 0;
};

// True if the bitmap of the volume marks this block.
using BitmapView = std::function<bool(base::BitIndex)>;

// What the disk of the volume tells, as io::BlockDevice::map_allocation().
using AllocationView = std::function<void(
    std::uint64_t offset, std::uint64_t length, std::size_t most, io::AllocationTold told)>;

class VolumePort : public io::BlockDevice {
public:
    // All of them outlive the port.
    VolumePort(boost::asio::io_context& context,
               io::BufferPool& pool,
               EventSink& events,
               RequestIds& ids,
               std::string resource,
               const engine::VolumeSettings& settings,
               BitmapView bitmap,
               AllocationView allocation = nullptr);
    ~VolumePort() override;

    io::BlockDeviceInfo info() const override;

    io::BufferPool& pool() override { return pool_; }

    base::Result<void> open(bool writable, const std::string& who) override;
    void close(const std::string& who) override;
    void submit(io::BlockRequest request) override;
    std::optional<io::SyncRun> sync_run(std::uint64_t offset, std::uint64_t length) const override;
    void map_allocation(std::uint64_t offset,
                        std::uint64_t length,
                        std::size_t most,
                        io::AllocationTold told) override;

    // While the volume is being demoted nobody new is let in.
    void forbid_open(bool forbid) { open_forbidden_ = forbid; }

    // What the engine says of the volume.
    void update(const engine::VolumeStatus& status) { status_ = status; }

    const engine::VolumeStatus& status() const { return status_; }

    // True if the request was one of this port's.
    bool complete(const engine::CompleteApp& completion);

    std::size_t users() const { return users_.size(); }

    // "NBD client A, NBD client B (2 times)"; empty if nobody does.
    std::string users_text() const;

private:
    struct Joint;  // a request of a front end, while its pieces are with the engine

    struct Piece {
        std::shared_ptr<Joint> joint;
        std::uint64_t offset = 0;  // within the request
        std::uint64_t length = 0;
    };

    std::string name() const;
    bool has_bitmap() const;
    int check(const io::BlockRequest& request) const;
    void start_pieces(const std::shared_ptr<Joint>& joint);
    void start_piece(const std::shared_ptr<Joint>& joint);
    static void take_data(Joint& joint, const Piece& piece, const io::Slice& data);

    boost::asio::io_context& context_;
    io::BufferPool& pool_;
    EventSink& events_;
    RequestIds& ids_;
    std::string resource_;
    BitmapView bitmap_;
    AllocationView allocation_;
    engine::VolumeStatus status_;
    bool open_forbidden_ = false;
    std::unordered_map<std::uint64_t, Piece> pieces_;
    std::map<std::string, unsigned> users_;  // and how often each
};

}  // namespace runtime
