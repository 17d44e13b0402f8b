// Blocking jobs side by side: a resource with many volumes has its device nodes in the time of one.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

namespace runtime {

// Calls job(0) ... job(count - 1), each on a thread of its own, and returns when all have. The jobs
// share nothing but what their owner made for each of them.
template <typename Job>
void in_parallel(std::size_t count, const Job& job) {
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < count; ++i) {
        threads.emplace_back([&job, i] { job(i); });
    }
    if (count > 0) {
        job(0);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace runtime
