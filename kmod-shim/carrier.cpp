#include "kmod-shim/carrier.h"

#include "kmod-shim/fuse_carrier.h"
#include "kmod-shim/nbd/nbd_carrier.h"
#include "kmod-shim/nbd/nbd_device.h"
#include "kmod-shim/ublk/ublk_carrier.h"

namespace shim {

std::vector<std::unique_ptr<Carrier>> make_carriers(const CarrierPlaces& places) {
    std::vector<std::unique_ptr<Carrier>> all;
    all.push_back(std::make_unique<UblkCarrier>(places));
    all.push_back(std::make_unique<NbdCarrier>(places));
    all.push_back(std::make_unique<FuseCarrier>(places));
    return all;
}

bool is_carriers_number(dev_t number) {
    return is_loop_number(number) || is_nbd_number(number) || is_ublk_number(number);
}

std::optional<VolumePath> volume_behind(dev_t number, const std::string& run_dir) {
    if (is_loop_number(number)) {
        const auto loop = find_loop(number);
        return loop ? parse_volume_path(loop->backing_path) : std::nullopt;
    }
    if (is_nbd_number(number)) {
        const auto nbd = find_nbd(number);
        const auto identifier = nbd ? parse_backend_identifier(nbd->backend) : std::nullopt;
        return identifier ? std::optional(identifier->volume) : std::nullopt;
    }
    if (is_ublk_number(number)) {
        return volume_of_ublk(number, run_dir);
    }
    return std::nullopt;
}

}  // namespace shim
