// The kernel's ublk driver and a server of ours: a block device without the copies and the context
// switches of FUSE and loop, or of the kernel's nbd.
//
//   NBD server (daemon) - unix socket - drbdd-ublk: one queue of requests - ublkbK
//
// drbdd-ublk outlives the daemon and keeps requests until its successor serves the export again.
// The kernel keeps the device when drbdd-ublk itself is killed, and gives the next one all requests
// that the last had not answered. Devices of others are never touched: ours is recognised by a
// token that the kernel keeps with it, and that is recorded in RUNDIR before the device is made.
// Block front ends specification, section 3.
#pragma once

#include "kmod-shim/carrier.h"
#include "kmod-shim/names.h"
#include "kmod-shim/server_process.h"
#include "kmod-shim/ublk/control.h"

#include <string>
#include <vector>

namespace shim {

class UblkCarrier : public Carrier {
public:
    explicit UblkCarrier(const CarrierPlaces& places);

    std::string name() const override { return "ublk"; }

    base::Result<void> offered() const override;
    std::optional<BlockDevice> find() const override;
    bool is_living() const override;

    bool needs_server() const override { return true; }

    Fd watched_process() const override;
    base::Result<BlockDevice> make(std::uint32_t block_bytes, Deadline deadline) override;
    base::Result<void> take_over(const BlockDevice& device, Deadline deadline) override;
    base::Result<void> release(const BlockDevice& device, Fd claim, Deadline deadline) override;
    base::Result<void> clear(Deadline deadline) override;
    base::Result<void> resize(const BlockDevice& device,
                              std::uint64_t size_bytes,
                              Deadline deadline) override;

private:
    std::optional<UblkRecord> find_record() const;
    std::vector<std::string> serving_arguments(const std::string& deed, Deadline deadline) const;
    base::Result<void> run(const std::string& deed, std::uint32_t device, Deadline deadline) const;

    CarrierPlaces places_;
    RunFiles files_;
    ServerProcess server_;
};

// The volume whose ublk device has this number. That of another run directory has no name for it.
std::optional<VolumePath> volume_of_ublk(dev_t number, const std::string& run_dir);

// Block devices without a major number of their own, ublk's among them, share this one.
bool is_ublk_number(dev_t number);

}  // namespace shim
