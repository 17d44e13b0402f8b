#include "heartbeat/runtime/realtime.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

namespace hb {

namespace {

void warn(base::LogSink& log, const char* what) {
    log.write(base::LogLevel::Warning,
              base::format("realtime: %s is not permitted (%s): heartbeats may be late when this "
                           "machine is busy",
                           what,
                           std::strerror(errno)));
}

void* nothing(void* argument) {
    return argument;
}

// A thread's own variables live on its stack: a library or a sanitizer that has many needs more
// than we do, and only an attempt tells.
bool suffice_for_a_thread(const pthread_attr_t& attributes) {
    pthread_t thread{};
    return ::pthread_create(&thread, &attributes, nothing, nullptr) == 0 &&
           ::pthread_join(thread, nullptr) == 0;
}

}  // namespace

void keep_stacks_small() {
    pthread_attr_t attributes;
    if (::pthread_getattr_default_np(&attributes) != 0) {
        return;  // they are as large as they were, and all works
    }
    if (::pthread_attr_setstacksize(&attributes, kThreadStackBytes) == 0 &&
        suffice_for_a_thread(attributes)) {
        ::pthread_setattr_default_np(&attributes);
    }
    ::pthread_attr_destroy(&attributes);
}

void make_realtime(std::optional<int> priority, base::LogSink& log) {
    const int least = ::sched_get_priority_min(SCHED_RR);
    const int most = ::sched_get_priority_max(SCHED_RR);
    sched_param parameters{};
    parameters.sched_priority = std::clamp(priority.value_or((least + most) / 2), least, most);
    if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) != 0) {
        warn(log, "SCHED_RR");
        // Second best: more than the others' share.
        constexpr int kNice = -20;
        ::setpriority(PRIO_PROCESS, 0, kNice);
    }
    // Future memory (stacks of threads, buffers) is locked as it is first used: no need to fill it.
    if (::mlockall(MCL_CURRENT) != 0 || ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        warn(log, "mlockall");
    }
}

}  // namespace hb
