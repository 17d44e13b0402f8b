// Repeats the probes of ha_policy.cf's monitors, each at its interval. One round at a time: the
// interval counts from the end of a round.
#pragma once

#include "config/ha/ha_policy.h"
#include "config/ha/haresources.h"
#include "heartbeat/agents/probes.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>

namespace hb {

class ProbeSchedule {
public:
    using Callback = std::function<void(std::size_t monitor, const ProbeResult& result)>;

    // All outlive this object. `done` is called for each round.
    ProbeSchedule(boost::asio::io_context& io, ProbeRunner& probes, Callback done);

    // The first round is at once. A monitor that runs already begins anew.
    void start(std::size_t monitor,
               const config::HaMonitor& what,
               const config::Haresources& resources);
    void stop(std::size_t monitor);

private:
    struct Running {
        config::HaMonitor what;
        std::vector<config::ResourceWord> words;
        std::unique_ptr<boost::asio::steady_timer> timer;
    };

    void round(std::size_t monitor);
    void pause(std::size_t monitor, std::chrono::milliseconds how_long);

    boost::asio::io_context& io_;
    ProbeRunner& probes_;
    Callback done_;
    std::map<std::size_t, Running> running_;
};

}  // namespace hb
