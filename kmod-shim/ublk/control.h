// /dev/ublk-control: the commands that add, start, stop and delete ublk devices. Needs
// CAP_SYS_ADMIN and io_uring. One command at a time. Block front ends specification, 3.1 and 3.2.
#pragma once

#include "base/result.h"
#include "kmod-shim/system.h"
#include "kmod-shim/ublk/commands.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct io_uring;

namespace shim {

// The driver's node, which a private /dev may lack although the kernel has the device, is made
// then.
base::Result<Fd> open_ublk_node(const std::string& path, const std::string& sys_class);

class UblkControl {
public:
    // NotFound, with a reason for a person, where there is no such driver or no io_uring.
    static base::Result<UblkControl> open();

    UblkControl(UblkControl&&) noexcept;
    ~UblkControl();

    ublk::Encoding encoding() const { return encoding_; }

    // What the driver knows; nothing before Linux 6.5, where only trying tells.
    std::optional<std::uint64_t> features() const { return features_; }

    // `info` says what is wanted, and afterwards what was granted.
    base::Result<void> add(ublk::DeviceInfo& info);
    base::Result<void> set_parameters(std::uint32_t device, ublk::Parameters parameters);
    base::Result<ublk::Parameters> parameters(std::uint32_t device);
    base::Result<ublk::DeviceInfo> info(std::uint32_t device);
    // Busy until the kernel has noticed that the last server is gone.
    base::Result<void> start_recovery(std::uint32_t device);
    // May wait for the device's own requests: never on the thread that serves them.
    base::Result<void> stop(std::uint32_t device);
    // Waits until nobody has the device or its server's side open.
    base::Result<void> remove(std::uint32_t device);

    // For commands that wait for what the calling thread has to do meanwhile: begun here, over when
    // finished() says how (0, or an errno); fd() can be polled for it.
    void begin(ublk::Control command, std::uint32_t device, std::uint64_t data);
    std::optional<int> finished();
    int fd() const;

private:
    struct CloseRing {
        void operator()(io_uring* ring) const;
    };

    UblkControl(Fd device, std::unique_ptr<io_uring, CloseRing> ring);

    int run(ublk::Control command,
            std::uint32_t device,
            void* buffer,
            std::size_t bytes,
            std::uint64_t data = 0);
    void queue(ublk::Control command,
               std::uint32_t device,
               void* buffer,
               std::size_t bytes,
               std::uint64_t data);
    base::Result<void> outcome(int error, const std::string& what) const;

    Fd device_;
    std::unique_ptr<io_uring, CloseRing> ring_;
    ublk::Encoding encoding_ = ublk::Encoding::Plain;
    std::optional<std::uint64_t> features_;
};

// Device and what the kernel says of it, of all that carry a token of ours.
struct UblkRecord {
    ublk::DeviceInfo info;

    bool living() const;
};

std::vector<UblkRecord> our_ublks();

}  // namespace shim
