// The disk heartbeat: messages through a block device that all nodes reach (ha_policy.cf,
// disk_heartbeat). A disk may hang, so all reading and writing is done by a thread of its own; the
// loop only looks whether that thread still comes back.
#pragma once

#include "base/result.h"
#include "config/ha/ha_policy.h"
#include "heartbeat/runtime/disk_slot.h"
#include "heartbeat/runtime/file_descriptor.h"
#include "heartbeat/runtime/link_state.h"
#include "heartbeat/runtime/medium.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace hb {

struct DiskMediumOptions {
    config::HaDiskHeartbeat where;
    std::size_t own_slot = 0;  // number of this node in ha.cf
    std::size_t slots = 2;
    std::chrono::milliseconds interval{1000};  // of reading the others' blocks: keepalive
    std::chrono::milliseconds patience{5000};  // then the disk counts as hanging: deadtime
};

class DiskMedium : public Medium {
public:
    DiskMedium(boost::asio::io_context& io, DiskMediumOptions options, MediumEvents& events);
    // Does not wait for a disk that hangs: the thread is left behind with what it needs.
    ~DiskMedium() override;
    DiskMedium(const DiskMedium&) = delete;
    DiskMedium& operator=(const DiskMedium&) = delete;

    const std::string& name() const override { return options_.where.device; }

    const std::string& description() const override { return description_; }

    void start() override;
    void send(const Outgoing& message) override;

private:
    struct Shared;

    void look_after();
    void deliver();

    boost::asio::io_context& io_;
    const DiskMediumOptions options_;
    const std::string description_;
    MediumEvents& events_;
    LinkState link_;
    boost::asio::steady_timer check_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace hb
