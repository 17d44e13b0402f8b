// The server of one ublk device: requests of the kernel become requests to the NBD export, and
// their results go back. One thread. Block front ends specification, 3.4 to 3.6.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "kmod-shim/link/nbd_link.h"
#include "kmod-shim/ublk/control.h"
#include "kmod-shim/ublk/server/queue.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ublk_server {

struct ServiceSettings {
    export_link::LinkSettings link;
    std::uint32_t block_bytes = 512;
    std::uint64_t token = 0;              // kept by the kernel with a new device
    std::optional<std::uint32_t> device;  // one that has lost its server; none: a new one
    std::chrono::seconds start_limit{5};
};

class Service {
public:
    Service(const ServiceSettings& settings, base::LogSink& log);

    // The device can be used when it returns. Whatever is left of a failure can be seen in the
    // kernel, and is for the starter to take away.
    base::Result<void> start();

    // Until the device is stopped.
    void run();

private:
    enum Place { kSignals, kControl, kRequests, kExport, kPlaces };

    base::Result<void> add_device();
    base::Result<void> recover_device();
    base::Result<void> begin_serving(shim::ublk::Control command);
    void turn(std::optional<std::chrono::steady_clock::time_point> wake);
    bool read_signals(short revents);
    void on_asked(unsigned tag, const shim::ublk::IoDescriptor& descriptor);
    void on_answer(export_link::Request& request, int error);
    void on_export(const export_link::ExportInfo& info);
    void follow_size();

    const ServiceSettings settings_;
    base::LogSink& log_;
    int signals_ = -1;
    std::optional<shim::UblkControl> control_;
    shim::ublk::DeviceInfo device_;
    bool serving_ = false;
    std::uint64_t size_bytes_ = 0;         // of the device
    std::uint64_t wanted_size_bytes_ = 0;  // that of the export, once the kernel is being told
    bool size_command_ = false;
    std::unique_ptr<Queue> queue_;
    std::vector<unsigned> tags_;  // what a request to the export points to
    export_link::NbdLink link_;
};

}  // namespace ublk_server
