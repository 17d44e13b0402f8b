#include "kmod-shim/nbd/nbd_device.h"

#include "kmod-shim/names.h"

#include <linux/major.h>
#include <sys/sysmacros.h>
#include <utility>

namespace shim {

std::optional<unsigned> index_of_nbd(const std::string& name) {
    const auto index = name.starts_with("nbd") ? parse_number(name.substr(3)) : std::nullopt;
    if (!index || *index > (1u << 20)) {
        return std::nullopt;
    }
    return static_cast<unsigned>(*index);
}

std::vector<NbdDevice> connected_nbds() {
    std::vector<NbdDevice> found;
    for (const std::string& name : names_in("/sys/block")) {
        const auto index = index_of_nbd(name);
        auto device = index && sys_text(name, "pid") ? block_device(name) : std::nullopt;
        if (device) {
            found.push_back({std::move(*device), *index, sys_text(name, "backend").value_or("")});
        }
    }
    return found;
}

std::optional<NbdDevice> find_nbd(dev_t number) {
    for (NbdDevice& device : connected_nbds()) {
        if (device.number == number) {
            return std::move(device);
        }
    }
    return std::nullopt;
}

bool is_nbd_number(dev_t number) {
    return major(number) == NBD_MAJOR;
}

}  // namespace shim
