// How the volumes of this daemon are shown: the NBD server of nbd-backend, the device node of
// kmod-shim.
#pragma once

#include "base/log.h"
#include "config/drbdd_conf.h"
#include "drbdd/runtime/frontends.h"

#include <string>

namespace drbdd {

struct Places {
    std::string run_dir;
    std::string dev_dir;
};

// `log` outlives what the factory makes.
runtime::FrontendFactory make_frontends(const Places& places,
                                        config::Frontend frontend,
                                        base::LogSink& log);

// What a previous daemon left in pieces is taken away.
void remove_stale_nodes(const Places& places, base::LogSink& log);

}  // namespace drbdd
