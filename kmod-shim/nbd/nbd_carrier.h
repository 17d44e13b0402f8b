// The kernel's nbd driver as the client of our NBD server: one copy and one context switch less
// than FUSE and loop.
//
//   NBD server (daemon) - unix socket - nbdK
//
// The kernel holds its end of the socket. When the daemon is gone it keeps all requests, for
// kDeadConnectionTime at most, until the daemon's successor gives the device another socket; what
// was on its way is sent again. Devices of others are never touched: ours is recognised by its
// backend identifier, which is recorded in RUNDIR before the device is connected, and the kernel
// itself picks a free one. Block front ends specification, section 2.
#pragma once

#include "kmod-shim/carrier.h"
#include "kmod-shim/nbd/nbd_device.h"

namespace shim {

class NbdCarrier : public Carrier {
public:
    explicit NbdCarrier(const CarrierPlaces& places);

    std::string name() const override { return "nbd"; }

    base::Result<void> offered() const override;
    std::optional<BlockDevice> find() const override;

    bool is_living() const override { return find().has_value(); }

    base::Result<BlockDevice> make(std::uint32_t block_bytes, Deadline deadline) override;
    base::Result<void> take_over(const BlockDevice& device, Deadline deadline) override;
    base::Result<void> release(const BlockDevice& device, Fd claim, Deadline deadline) override;
    base::Result<void> clear(Deadline deadline) override;
    base::Result<void> resize(const BlockDevice& device,
                              std::uint64_t size_bytes,
                              Deadline deadline) override;

private:
    std::string recorded_identifier() const;
    base::Result<void> reconfigure(const BlockDevice& device,
                                   std::optional<int> socket,
                                   std::optional<std::uint64_t> size_bytes,
                                   Deadline deadline) const;

    CarrierPlaces places_;
    std::string state_file_;
};

}  // namespace shim
