// The watchdog device: it resets the machine when this daemon stops working. Heartbeat
// specification 6.4.
#pragma once

#include "base/log.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <chrono>
#include <string>

namespace hb {

class Watchdog {
public:
    // `device` empty: there is none, and all calls do nothing.
    // `inherited`: the device as an earlier process of ours has opened it, or -1; one that is not
    // wanted any more is closed in order.
    Watchdog(std::string device, std::chrono::seconds timeout, int inherited, base::LogSink& log);

    // The first one opens it.
    void tickle();
    // Tells the device that this is an orderly end.
    void close();
    // Open still, for the process that comes after us; -1: it is not open.
    int release();

private:
    void open();
    void adopt(int inherited);
    void set_timeout();

    const std::string device_;
    const int timeout_seconds_;
    base::LogSink& log_;
    FileDescriptor file_;
    bool refused_ = false;
    bool starving_ = false;  // the last write failed, and that was told
};

}  // namespace hb
