#include "heartbeat/runtime/realtime.h"

#include <gtest/gtest.h>

#include <pthread.h>
#include <thread>

namespace hb {
namespace {

std::size_t stack_of_this_thread() {
    pthread_attr_t attributes;
    std::size_t bytes = 0;
    EXPECT_EQ(::pthread_getattr_np(::pthread_self(), &attributes), 0);
    ::pthread_attr_getstacksize(&attributes, &bytes);
    ::pthread_attr_destroy(&attributes);
    return bytes;
}

// Other tests of this program have the stacks that they had.
class DefaultsKept {
public:
    DefaultsKept() { EXPECT_EQ(::pthread_getattr_default_np(&before_), 0); }

    ~DefaultsKept() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }

    DefaultsKept(const DefaultsKept&) = delete;
    DefaultsKept& operator=(const DefaultsKept&) = delete;

private:
    pthread_attr_t before_{};
};

// What is locked is whole: each agent that is started would wait for a copy of its tables.
TEST(Threads, HaveStacksThatNoForkHasToWaitFor) {
    const DefaultsKept kept;
    keep_stacks_small();
    std::size_t bytes = 0;
    std::thread([&bytes] { bytes = stack_of_this_thread(); }).join();
    EXPECT_GT(bytes, 0u);
#ifndef __SANITIZE_THREAD__  // whose variables of a thread alone are larger: then all stays as it
                             // was
    EXPECT_LE(bytes, kThreadStackBytes);
#endif
}

}  // namespace
}  // namespace hb
