#include "drbdd/runtime/resource_thread.h"

#include <boost/asio/post.hpp>

#include <pthread.h>
#include <utility>

namespace runtime {

namespace {

constexpr std::size_t kThreadNameLength = 15;

}  // namespace

ResourceThread::ResourceThread(const Surroundings& surroundings)
    : surroundings_(surroundings), work_(context_.get_executor()) {
}

base::Result<std::unique_ptr<ResourceThread>> ResourceThread::start(
    const config::ResourceSettings& settings, const Surroundings& surroundings) {
    std::unique_ptr<ResourceThread> resource(new ResourceThread(surroundings));
    std::promise<base::Result<void>> promise;
    std::future<base::Result<void>> started = promise.get_future();
    resource->thread_ =
        std::thread([&self = *resource, settings, promise = std::move(promise)]() mutable {
            self.run(settings, std::move(promise));
        });
    if (const base::Result<void> result = started.get(); !result) {
        return result.error();
    }
    return resource;
}

ResourceThread::~ResourceThread() {
    context_.stop();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ResourceThread::post(std::function<void(ResourceCore&)> deed) {
    boost::asio::post(context_, [this, deed = std::move(deed)] { deed(*core_); });
}

void ResourceThread::run(const config::ResourceSettings& settings,
                         std::promise<base::Result<void>> started) {
    ::pthread_setname_np(::pthread_self(),
                         ("drbd-" + settings.name).substr(0, kThreadNameLength).c_str());
    // The ring belongs to the thread that makes it.
    auto ring = Ring::create(context_);
    if (!ring) {
        started.set_value(ring.error());
        return;
    }
    pool_.use_ring(ring->get());
    {
        Worker worker;
        ResourceCore core(context_, **ring, pool_, worker, settings, surroundings_, snapshot_);
        core_ = &core;
        const base::Result<void> result = core.start();
        started.set_value(result);
        if (result) {
            context_.run();
        }
        core_ = nullptr;
    }
    pool_.use_ring(nullptr);
}

}  // namespace runtime
