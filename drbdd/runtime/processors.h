// On which processors the calling thread runs: the cpu-mask of its resource.
#pragma once

#include "base/log.h"
#include "config/settings.h"

namespace runtime {

// Without a mask, or with one that names no processor of this machine: where the daemon may run.
void run_on_processors(const config::ResourceSettings& settings, base::LogSink& log);

}  // namespace runtime
