// Blocking jobs side by side: a resource with many volumes has its device nodes in the time of one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace runtime {

// More at once than this bring nothing: what starts a process and waits for it needs a core. They
// would only keep the daemon from its answers.
inline constexpr std::size_t kAtOnce = 4;

// Calls job(0) ... job(count - 1), a few at a time, and returns when all have ended. The jobs share
// nothing but what their owner made for each of them. Where there are no more threads to be had,
// the caller's does them all.
template <typename Job>
void in_parallel(std::size_t count, const Job& job) {
    std::atomic<std::size_t> next = 0;
    const auto work = [&next, &job, count] {
        for (std::size_t i = next++; i < count; i = next++) {
            job(i);
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(kAtOnce);
    try {
        while (threads.size() + 1 < std::min(count, kAtOnce)) {
            threads.emplace_back(work);
        }
    } catch (const std::system_error&) {
        // The limit of the system.
    }
    work();
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace runtime
