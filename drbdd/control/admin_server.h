// The admin socket RUNDIR/drbdd.sock: takes commands of the tools, on a thread of its own that
// never waits for a resource, a disk or the network. A command that its resource has not answered
// in time is answered here, with words that say so; states come from what the resources last told.
// Protocol: messages.h. One request of a client is worked on at a time.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drbdd/control/backend.h"
#include "ipc/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace control {

struct AdminServerOptions {
    std::string run_dir;
    Version version;
    std::size_t clients = 256;                           // more are closed at once
    std::chrono::milliseconds command_deadline{840};     // then the command is answered here
    std::chrono::milliseconds refresh_deadline{250};     // then a status shows what is known
    std::chrono::milliseconds silence_deadline{60'000};  // of a client that asks nothing
};

class AdminServer : private ipc::Service {
public:
    // Both references outlive the server.
    AdminServer(AdminServerOptions options, Backend& backend, base::LogSink& log);
    ~AdminServer() override;
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;

    base::Result<void> start();

    // Ends the thread and closes all clients. What comes later goes nowhere.
    void stop();

    // From any thread, in the order in which it happened: the state of a resource (nothing: it is
    // gone), and a handler that was started or has ended.
    void update(const std::string& resource, std::optional<ResourceStatus> status);
    void update_handler(const std::string& resource,
                        std::optional<std::uint16_t> volume,
                        const std::string& name,
                        std::optional<int> wait_status);

    // Runs `deed` on the server's thread.
    void post(std::function<void()> deed);

private:
    using SessionPtr = std::shared_ptr<ipc::Session>;

    // All on the server's thread.
    void on_line(const SessionPtr& session, std::string_view line) override;
    std::string refusal(ipc::Refusal why) override;
    void handle(const SessionPtr& session, const Request& request);
    void handle_execute(const SessionPtr& session, const Request& request);
    void handle_status(const SessionPtr& session, const Request& request);
    void handle_events(const SessionPtr& session, const Request& request);
    void after_refresh(const std::string& resource, std::function<void(bool fresh)> then);
    void tell(const std::string& resource, const std::vector<Event>& events);
    Snapshot snapshot(const std::string& resource) const;

    const AdminServerOptions options_;
    Backend& backend_;
    base::LogSink& log_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    ipc::Server server_;

    struct Told {
        ResourceStatus status;
        std::chrono::steady_clock::time_point at;
    };

    std::string stale_text(const std::string& resource,
                           std::chrono::steady_clock::time_point asked) const;

    std::map<std::string, Told> resources_;
    std::thread thread_;
};

}  // namespace control
