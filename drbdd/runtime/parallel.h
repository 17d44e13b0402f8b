// Blocking jobs side by side: a resource with many volumes has its device nodes in the time of one.
#pragma once

#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace runtime {

// Calls job(0) ... job(count - 1), each on a thread of its own, and returns when all have. The jobs
// share nothing but what their owner made for each of them. Where there are no more threads to be
// had, the caller's does the rest.
template <typename Job>
void in_parallel(std::size_t count, const Job& job) {
    std::vector<std::thread> threads;
    threads.reserve(count);
    std::size_t started = 1;
    try {
        for (; started < count; ++started) {
            threads.emplace_back([&job, i = started] { job(i); });
        }
    } catch (const std::system_error&) {
        // The limit of the system.
    }
    if (count > 0) {
        job(0);
    }
    for (std::size_t i = started; i < count; ++i) {
        job(i);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace runtime
