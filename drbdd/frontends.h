// How the volumes of this daemon are shown: the NBD server of nbd-backend, the device node of
// kmod-shim.
#pragma once

#include "base/log.h"
#include "config/drbdd_conf.h"
#include "drbdd/runtime/frontends.h"
#include "nbd-backend/tls_context.h"

#include <memory>
#include <string>

namespace drbdd {

struct Places {
    std::string run_dir;
    std::string dev_dir;
};

struct FrontendOptions {
    config::Frontend frontend = config::Frontend::Auto;
    config::NbdConf nbd;
    std::shared_ptr<const nbd::TlsContext> tls;  // of nbd.listen; null only if plaintext is allowed
};

// Reads the keys that the configuration names.
base::Result<FrontendOptions> frontend_options(const config::DrbddConf& conf);

// `log` outlives what the factory makes.
runtime::FrontendFactory make_frontends(const Places& places,
                                        const FrontendOptions& options,
                                        base::LogSink& log);

// What a previous daemon left in pieces is taken away.
void remove_stale_nodes(const Places& places, base::LogSink& log);

}  // namespace drbdd
