// A thread for calls that may block: opening and closing devices, attaching device nodes. Jobs run
// one after the other; a job that hangs holds up only those behind it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace runtime {

class Worker {
public:
    Worker();
    // Waits for the running job and for those queued.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void post(std::function<void()> job);

private:
    void run();

    std::mutex mutex_;  // guards the two below
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::condition_variable wakeup_;
    std::thread thread_;
};

}  // namespace runtime
