// Internal to config/.
#pragma once

#include "config/drbd_conf.h"

#include <string_view>

namespace config {

// Completes each host's volumes from its resource and adds what is wrong to loaded.errors.
void validate(LoadedConf& loaded, std::string_view node);

}  // namespace config
