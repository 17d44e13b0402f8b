#include "drbdd/control/admin_server.h"

#include "base/guarded.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <pthread.h>
#include <utility>

namespace control {

namespace asio = boost::asio;

namespace {

// "In transient state, retry after next state change": 8.4 has no number for "no answer".
constexpr int kNoAnswer = -18;

Reply reply_to(const Request& request, int code = 0, std::string text = {}) {
    Reply reply;
    reply.id = request.id;
    reply.code = code;
    reply.text = std::move(text);
    return reply;
}

std::string late_text(const Request& request, std::chrono::milliseconds deadline) {
    return base::format(
        "%s\nresource %s has not answered '%s' within %lld ms: it is busy or "
        "hangs. What was asked may still happen; see 'drbdadm status'.",
        std::string(error_text(kNoAnswer)).c_str(),
        request.resource.c_str(),
        std::string(to_string(request.command)).c_str(),
        static_cast<long long>(deadline.count()));
}

}  // namespace

AdminServer::AdminServer(AdminServerOptions options, Backend& backend, base::LogSink& log)
    : options_(std::move(options)),
      backend_(backend),
      log_(log),
      work_(context_.get_executor()),
      server_(context_,
              {.path = options_.run_dir + "/" + kSocketName,
               .name = "admin socket",
               .clients = options_.clients,
               .requests = 1,
               .silence = options_.silence_deadline},
              *this) {
}

AdminServer::~AdminServer() {
    stop();
}

void AdminServer::stop() {
    if (thread_.joinable()) {
        asio::post(context_, [this] {
            server_.close();
            context_.stop();
        });
        thread_.join();
    }
}

base::Result<void> AdminServer::start() {
    if (auto started = server_.start(); !started) {
        return started;
    }
    return base::guarded("cannot serve the admin socket", [this]() -> base::Result<void> {
        thread_ = std::thread([this] {
            ::pthread_setname_np(::pthread_self(), "drbdd-admin");
            base::keep_running([this] { context_.run(); },
                               [this](const char* what) {
                                   log_.write(base::LogLevel::Error,
                                              std::string("admin socket: ") + what);
                               });
        });
        return {};
    });
}

void AdminServer::post(std::function<void()> deed) {
    asio::post(context_, std::move(deed));
}

// --- Requests -----------------------------------------------------------------------------------

void AdminServer::on_line(const SessionPtr& session, std::string_view line) {
    if (session->subscription()) {
        session->done();  // the connection belongs to the event stream
        return;
    }
    const base::Result<Request> request = parse_request(line);
    if (request) {
        handle(session, *request);
        return;
    }
    Reply refused;
    refused.id = id_of(line);
    refused.code = err::kInvalidRequest;
    refused.text = request.error().text;
    session->answer(to_line(refused));
}

std::string AdminServer::refusal(ipc::Refusal why) {
    Reply refused;
    refused.code = err::kPermission;
    refused.text = why == ipc::Refusal::NotAllowed ? std::string(error_text(err::kPermission))
                                                   : "a line of more than 1 MiB";
    return to_line(refused);
}

void AdminServer::handle(const SessionPtr& session, const Request& request) {
    switch (request.command) {
        case Command::Version: {
            Reply reply = reply_to(request);
            reply.data = to_json(options_.version);
            session->answer(to_line(reply));
            return;
        }
        case Command::Status:
            handle_status(session, request);
            return;
        case Command::Events2:
            handle_events(session, request);
            return;
        default:
            handle_execute(session, request);
            return;
    }
}

void AdminServer::handle_execute(const SessionPtr& session, const Request& request) {
    const auto timer = std::make_shared<asio::steady_timer>(context_, options_.command_deadline);
    const auto answered = std::make_shared<bool>(false);
    timer->async_wait(
        [this, session, request, timer, answered](const boost::system::error_code& error) {
            if (!error && !std::exchange(*answered, true)) {
                session->answer(to_line(
                    reply_to(request, kNoAnswer, late_text(request, options_.command_deadline))));
            }
        });
    backend_.execute(request, [this, session, request, timer, answered](Outcome outcome) {
        asio::post(context_,
                   [session, request, timer, answered, outcome = std::move(outcome)]() mutable {
                       if (std::exchange(*answered, true)) {
                           return;
                       }
                       timer->cancel();
                       Reply reply = reply_to(request, outcome.code, std::move(outcome.text));
                       reply.data = std::move(outcome.data);
                       session->answer(to_line(reply));
                   });
    });
}

// `fresh`: all that were asked have answered.
void AdminServer::after_refresh(const std::string& resource, std::function<void(bool fresh)> then) {
    const auto timer = std::make_shared<asio::steady_timer>(context_, options_.refresh_deadline);
    const auto done = std::make_shared<bool>(false);
    timer->async_wait([timer, done, then](const boost::system::error_code& error) {
        if (!error && !std::exchange(*done, true)) {
            then(false);
        }
    });
    backend_.refresh(resource, [this, timer, done, then = std::move(then)] {
        asio::post(context_, [timer, done, then] {
            if (!std::exchange(*done, true)) {
                timer->cancel();
                then(true);
            }
        });
    });
}

Snapshot AdminServer::snapshot(const std::string& resource) const {
    Snapshot result;
    for (const auto& [name, told] : resources_) {
        if (resource.empty() || resource == name) {
            result.resources.push_back(told.status);
        }
    }
    return result;
}

// Which resources have told nothing since they were asked, and how old is what is shown of them.
std::string AdminServer::stale_text(const std::string& resource,
                                    std::chrono::steady_clock::time_point asked) const {
    std::string text;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& [name, told] : resources_) {
        if ((resource.empty() || resource == name) && told.at < asked) {
            const std::chrono::duration<double> age = now - told.at;
            text += base::format("%sresource %s does not answer: this is what it told %.1f s ago",
                                 text.empty() ? "" : "\n",
                                 name.c_str(),
                                 age.count());
        }
    }
    return text;
}

void AdminServer::handle_status(const SessionPtr& session, const Request& request) {
    const auto asked = std::chrono::steady_clock::now();
    after_refresh(request.resource, [this, session, request, asked](bool fresh) {
        Reply reply = reply_to(request);
        if (!request.resource.empty() && !resources_.contains(request.resource)) {
            reply.code = err::kResourceNotKnown;
            reply.text = error_text(err::kResourceNotKnown);
        } else {
            reply.data = to_json(snapshot(request.resource));
            if (!fresh) {
                reply.text = stale_text(request.resource, asked);
            }
        }
        session->answer(to_line(reply));
    });
}

void AdminServer::handle_events(const SessionPtr& session, const Request& request) {
    after_refresh(request.resource, [this, session, request](bool) {
        session->subscribe({request.id, request.resource});
        session->answer(to_line(reply_to(request)));
        for (const Event& event : existing_events(snapshot(request.resource), request.resource)) {
            session->tell(event_line(request.id, event));
        }
        if (request.now) {
            session->close_after_writing();
        }
    });
}

// --- What resources tell ------------------------------------------------------------------------

void AdminServer::update(const std::string& resource, std::optional<ResourceStatus> status) {
    asio::post(context_, [this, resource, status = std::move(status)] {
        const auto known = resources_.find(resource);
        const ResourceStatus* before = known == resources_.end() ? nullptr : &known->second.status;
        tell(resource, change_events(before, status ? &*status : nullptr));
        if (status) {
            resources_[resource] = {*status, std::chrono::steady_clock::now()};
        } else {
            resources_.erase(resource);
        }
    });
}

void AdminServer::update_handler(const std::string& resource,
                                 std::optional<std::uint16_t> volume,
                                 const std::string& name,
                                 std::optional<int> wait_status) {
    asio::post(context_, [this, resource, volume, name, wait_status] {
        const auto known = resources_.find(resource);
        if (known != resources_.end()) {
            tell(resource,
                 {wait_status ? helper_response(known->second.status, volume, name, *wait_status)
                              : helper_call(known->second.status, volume, name)});
        }
    });
}

void AdminServer::tell(const std::string& resource, const std::vector<Event>& events) {
    for (const auto& session : server_.subscribers(resource)) {
        for (const Event& event : events) {
            session->tell(event_line(session->subscription()->request_id, event));
        }
    }
}

}  // namespace control
