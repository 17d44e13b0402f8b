// The kernel's nbd driver: connect a socket to a device, give a device another socket, disconnect.
// Needs CAP_SYS_ADMIN and the machine's first network namespace. Blocking calls.
// Block front ends specification, 2.1 to 2.4.
#pragma once

#include "base/result.h"
#include "kmod-shim/nbd/messages.h"
#include "kmod-shim/system.h"

#include <cstdint>
#include <string>

namespace shim {

class NbdControl {
public:
    // NotFound, with a reason for a person, where there is no such driver.
    static base::Result<NbdControl> open();

    // The kernel picks a device that nobody uses, and makes one if there is none. Returns its
    // index.
    base::Result<std::uint32_t> connect(netlink::NbdRequest request);

    // Refused unless the device was connected with the same backend identifier. The socket is taken
    // only if the present one is dead.
    base::Result<void> reconfigure(netlink::NbdRequest request);

    // The caller knows that the device is ours.
    base::Result<void> disconnect(std::uint32_t index);

private:
    explicit NbdControl(Fd socket) : socket_(std::move(socket)) {}

    base::Result<netlink::Reply> ask(const netlink::Message& message, const std::string& what);

    Fd socket_;
    std::uint16_t family_ = 0;
    std::uint32_t sequence_ = 0;
};

}  // namespace shim
