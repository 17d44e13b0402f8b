#include "drbdd/runtime/processors.h"

#include <cerrno>
#include <cstring>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace runtime {

namespace {

constexpr ::pid_t kThisThread = 0;

// Whatever a mask has made of the calling thread: the daemon's first thread is left alone.
cpu_set_t of_the_daemon() {
    cpu_set_t all;
    CPU_ZERO(&all);
    ::sched_getaffinity(::getpid(), sizeof all, &all);
    return all;
}

}  // namespace

void run_on_processors(const config::ResourceSettings& settings, base::LogSink& log) {
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (const unsigned number :
         config::processors_of(settings.cpu_mask).value_or(std::vector<unsigned>())) {
        CPU_SET(number, &wanted);
    }
    if (CPU_COUNT(&wanted) != 0 && ::sched_setaffinity(kThisThread, sizeof wanted, &wanted) == 0) {
        return;
    }
    if (!settings.cpu_mask.empty()) {
        log.write(base::LogLevel::Warning,
                  "resource " + settings.name + ": cpu-mask " + settings.cpu_mask +
                      " names no processor that this machine has: it runs on all");
    }
    const cpu_set_t all = of_the_daemon();
    ::sched_setaffinity(kThisThread, sizeof all, &all);
}

}  // namespace runtime
