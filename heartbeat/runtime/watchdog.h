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
    Watchdog(std::string device, std::chrono::seconds timeout, base::LogSink& log);

    // The first one opens it.
    void tickle();
    // Tells the device that this is an orderly end.
    void close();

private:
    void open();

    const std::string device_;
    const int timeout_seconds_;
    base::LogSink& log_;
    FileDescriptor file_;
    bool refused_ = false;
    bool starving_ = false;  // the last write failed, and that was told
};

}  // namespace hb
