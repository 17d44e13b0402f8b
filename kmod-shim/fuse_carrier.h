// A FUSE file of drbdd-fuse and a loop device on it: works wherever there is neither nbd nor ublk.
//
//   NBD server (daemon) - unix socket - drbdd-fuse: RUNDIR/drbdN.fuse/volume - loopK, direct I/O
//
// drbdd-fuse outlives the daemon and keeps requests until its successor serves the export again.
// Block front ends specification, section 4.
#pragma once

#include "kmod-shim/carrier.h"
#include "kmod-shim/loop_device.h"

namespace shim {

class FuseCarrier : public Carrier {
public:
    explicit FuseCarrier(const CarrierPlaces& places);

    std::string name() const override { return "fuse"; }

    base::Result<void> offered() const override;
    std::optional<BlockDevice> find() const override;
    bool is_living() const override;
    base::Result<BlockDevice> make(std::uint32_t block_bytes, Deadline deadline) override;

    base::Result<void> take_over(const BlockDevice&, Deadline) override { return {}; }

    base::Result<void> release(const BlockDevice& device, Fd claim, Deadline deadline) override;
    base::Result<void> clear(Deadline deadline) override;
    base::Result<void> resize(const BlockDevice& device,
                              std::uint64_t size_bytes,
                              Deadline deadline) override;

private:
    std::optional<LoopDevice> find_own_loop() const;
    base::Result<void> start_volume(Deadline deadline);

    CarrierPlaces places_;
    RunFiles files_;
};

}  // namespace shim
