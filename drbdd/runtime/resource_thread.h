// The thread of one resource, as other threads see it: commands go in as closures, a snapshot can
// be read at any time. Nothing here waits for the resource's thread except start() and the
// destructor.
#pragma once

#include "base/result.h"
#include "drbdd/runtime/resource_core.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <future>
#include <memory>
#include <thread>

namespace runtime {

class ResourceThread {
public:
    // `surroundings` outlives the thread.
    static base::Result<std::unique_ptr<ResourceThread>> start(
        const config::ResourceSettings& settings, const Surroundings& surroundings);

    // Ends the thread as soon as it can: after stop() has reported, that is at once.
    ~ResourceThread();
    ResourceThread(const ResourceThread&) = delete;
    ResourceThread& operator=(const ResourceThread&) = delete;

    // Runs `deed` on the resource's thread.
    void post(std::function<void(ResourceCore&)> deed);

    SnapshotPtr snapshot() const { return snapshot_.get(); }

private:
    explicit ResourceThread(const Surroundings& surroundings);

    using Started = std::promise<base::Result<void>>;

    void run(const config::ResourceSettings& settings, Started& started);
    base::Result<void> serve(const config::ResourceSettings& settings, Started& started);

    const Surroundings& surroundings_;
    PublishedSnapshot snapshot_;
    // In this order: what still lies in the queue of the context when it goes (a reply to nobody, a
    // completion) may hold payload, which the pool must outlive.
    RingBufferPool pool_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    ResourceCore* core_ = nullptr;  // lives on the stack of serve()
    std::thread thread_;
};

}  // namespace runtime
