// The resources of this node, and the commands of the admin socket turned into their deeds.
//
// The registry belongs to the admin server's thread. Starting and ending a resource's thread takes
// a while and is done by a worker; everything else is posted to the resource and never waited for.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drbdd/control/admin_server.h"
#include "drbdd/control/backend.h"
#include "drbdd/frontends.h"
#include "drbdd/runtime/handler_runner.h"
#include "drbdd/runtime/resource_thread.h"
#include "drbdd/runtime/system_challenges.h"
#include "drbdd/runtime/worker.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace drbdd {

struct DaemonOptions {
    control::AdminServerOptions admin;
    Places places;
    FrontendOptions frontends;
    bool any_peer_address = false;
};

class Daemon : private control::Backend {
public:
    // `log` outlives the daemon. `on_quit` is called, on any thread, when a client asks for the
    // end.
    Daemon(DaemonOptions options, base::LogSink& log, std::function<void()> on_quit);
    ~Daemon() override;

    // Opens the admin socket.
    base::Result<void> start();

    // Takes down every resource that nobody uses; `left` are the names of the others. From any
    // thread; `done` on the admin server's.
    void stop(std::function<void(std::string left)> done);

private:
    struct Entry {
        config::ResourceSettings first_settings;
        std::shared_ptr<runtime::ResourceThread> thread;  // null while it is being started
        bool going_down = false;

        config::ResourceSettings settings() const;
    };

    void execute(const control::Request& request, Done done) override;
    void refresh(const std::string& resource, std::function<void()> done) override;

    void create(const config::ResourceSettings& settings, Done done);
    void up(const config::ResourceSettings& settings,
            std::optional<std::uint16_t> volume,
            Done done);
    void change_volumes(Entry& entry, const config::ResourceSettings& wanted, Done done);
    void start_resource(const config::ResourceSettings& settings, Done done);
    void down(const std::string& resource, Done done);
    void on_down(const std::string& resource,
                 runtime::AdminReply reply,
                 bool disks_free,
                 const Done& done);
    void linger(std::shared_ptr<runtime::ResourceThread> thread);
    void run_on(Entry& entry, const control::Request& request, Done done);
    void settle_resync_order();
    control::Outcome conflict(const config::ResourceSettings& settings) const;

    DaemonOptions options_;
    base::LogSink& log_;
    std::function<void()> on_quit_;
    runtime::HandlerRunner handlers_;
    control::AdminServer server_;
    runtime::SystemChallenges challenges_;
    runtime::Surroundings surroundings_;
    std::map<std::string, Entry> resources_;
    std::atomic<bool> resyncs_have_an_order_ = false;
    std::vector<std::shared_ptr<runtime::ResourceThread>> lingering_;
    runtime::Worker worker_;
};

}  // namespace drbdd
