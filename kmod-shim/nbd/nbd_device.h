// The kernel's nbd devices as /sys shows them. Blocking calls.
#pragma once

#include "kmod-shim/block_device.h"

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace shim {

// One that somebody has connected.
struct NbdDevice : BlockDevice {
    unsigned index = 0;
    std::string backend;  // what whoever connected it calls it; empty: nothing
};

// The N of "nbdN"; nothing for partitions and for what only begins like that.
std::optional<unsigned> index_of_nbd(const std::string& name);

std::vector<NbdDevice> connected_nbds();
// The one with this device number, if it is connected.
std::optional<NbdDevice> find_nbd(dev_t number);
bool is_nbd_number(dev_t number);

}  // namespace shim
