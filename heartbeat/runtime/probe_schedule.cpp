#include "heartbeat/runtime/probe_schedule.h"

#include <utility>

namespace hb {

ProbeSchedule::ProbeSchedule(boost::asio::io_context& io, ProbeRunner& probes, Callback done)
    : io_(io), probes_(probes), done_(std::move(done)) {
}

void ProbeSchedule::start(std::size_t monitor,
                          const config::HaMonitor& what,
                          const config::Haresources& resources) {
    stop(monitor);
    Running& running = running_[monitor];
    running.what = what;
    for (const config::ResourceWord* word : config::monitored_words(what, resources)) {
        running.words.push_back(*word);
    }
    running.timer = std::make_unique<boost::asio::steady_timer>(io_);
    pause(monitor, std::chrono::milliseconds(0));
}

void ProbeSchedule::stop(std::size_t monitor) {
    if (running_.erase(monitor) > 0) {
        probes_.cancel(monitor);
    }
}

void ProbeSchedule::pause(std::size_t monitor, std::chrono::milliseconds how_long) {
    boost::asio::steady_timer& timer = *running_.at(monitor).timer;
    timer.expires_after(how_long);
    timer.async_wait([this, monitor, timer_of = &timer](const boost::system::error_code& stopped) {
        const auto found = running_.find(monitor);
        if (!stopped && found != running_.end() && found->second.timer.get() == timer_of) {
            round(monitor);
        }
    });
}

void ProbeSchedule::round(std::size_t monitor) {
    const Running& running = running_.at(monitor);
    probes_.run(monitor,
                running.what.probe,
                running.words,
                running.what.timeout,
                [this, monitor](const ProbeResult& result) {
                    const auto found = running_.find(monitor);
                    if (found == running_.end()) {
                        return;
                    }
                    pause(monitor, found->second.what.interval);
                    done_(monitor, result);
                });
}

}  // namespace hb
