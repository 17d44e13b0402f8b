// Watches the process that serves a device, and has it replaced when it ends: the device's users
// wait meanwhile.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "kmod-shim/system.h"

#include <functional>
#include <string>
#include <thread>

namespace drbdd {

class CarrierWatch {
public:
    struct Hooks {
        std::function<shim::Fd()> process;           // readable when it ends; empty if it has ended
        std::function<base::Result<void>()> revive;  // another one; both on the watch's own thread
    };

    CarrierWatch(std::string name, Hooks hooks, base::LogSink& log);
    ~CarrierWatch();
    CarrierWatch(const CarrierWatch&) = delete;
    CarrierWatch& operator=(const CarrierWatch&) = delete;

    base::Result<void> start();
    // Waits for a replacement that is under way: not to be called with what it needs in hand.
    void stop();

private:
    void run();
    // Until it has ended, or for the pause if there is none. False: to stop.
    bool wait_for_end(const shim::Fd& process, int pause_milliseconds) const;
    void tell(const base::Result<void>& revived);

    std::string name_;
    Hooks hooks_;
    base::LogSink& log_;
    shim::Fd stop_;  // readable: to stop
    std::string told_;
    std::thread thread_;
};

}  // namespace drbdd
