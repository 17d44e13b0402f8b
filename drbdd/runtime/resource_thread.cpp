#include "drbdd/runtime/resource_thread.h"

#include "base/guarded.h"
#include "base/require.h"
#include "drbdd/runtime/processors.h"

#include <boost/asio/post.hpp>

#include <pthread.h>
#include <utility>

namespace runtime {

namespace {

constexpr std::size_t kThreadNameLength = 15;

// The pool registers its buffers there meanwhile.
class RingUse {
public:
    RingUse(RingBufferPool& pool, Ring& ring) : pool_(pool) { pool_.use_ring(&ring); }

    ~RingUse() { pool_.use_ring(nullptr); }

    RingUse(const RingUse&) = delete;
    RingUse& operator=(const RingUse&) = delete;

private:
    RingBufferPool& pool_;
};

std::string cannot_start(const config::ResourceSettings& settings) {
    return "cannot start the thread of resource " + settings.name;
}

}  // namespace

ResourceThread::ResourceThread(const Surroundings& surroundings)
    : surroundings_(surroundings), work_(context_.get_executor()) {
}

base::Result<std::unique_ptr<ResourceThread>> ResourceThread::start(
    const config::ResourceSettings& settings, const Surroundings& surroundings) {
    std::unique_ptr<ResourceThread> resource(new ResourceThread(surroundings));
    Started promise;
    std::future<base::Result<void>> started = promise.get_future();
    const auto launched = base::guarded(cannot_start(settings), [&]() -> base::Result<void> {
        resource->thread_ =
            std::thread([&self = *resource, settings, promise = std::move(promise)]() mutable {
                self.run(settings, promise);
            });
        return {};
    });
    if (!launched) {
        return launched.error();
    }
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

// A limit of the system (descriptors, threads, locked memory) is told by an exception of what is
// made here: it is the refusal of this resource, and none of the others hears of it.
void ResourceThread::run(const config::ResourceSettings& settings, Started& started) {
    ::pthread_setname_np(::pthread_self(),
                         ("drbd-" + settings.name).substr(0, kThreadNameLength).c_str());
    if (auto served =
            base::guarded(cannot_start(settings), [&] { return serve(settings, started); });
        !served) {
        started.set_value(served.error());  // once it has started it does not come here
    }
}

base::Result<void> ResourceThread::serve(const config::ResourceSettings& settings,
                                         Started& started) {
    run_on_processors(settings, surroundings_.log);  // its helpers inherit it
    // The ring belongs to the thread that makes it.
    auto ring = Ring::create(context_);
    if (!ring) {
        return ring.error();
    }
    const RingUse use(pool_, **ring);
    Worker worker;
    ResourceCore core(context_, **ring, pool_, worker, settings, surroundings_, snapshot_);
    core_ = &core;
    if (auto ready = core.start(); !ready) {
        return ready;
    }
    started.set_value({});
    base::keep_running([this] { context_.run(); },
                       [&](const char* what) {
                           // Half a turn cannot be finished, and the next one would start from it.
                           REQUIRE(!core.in_turn());
                           surroundings_.log.write(base::LogLevel::Error,
                                                   "resource " + settings.name + ": " + what);
                       });
    return {};
}

}  // namespace runtime
