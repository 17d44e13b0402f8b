// The connection to the NBD export: asynchronous, many requests in flight, and patient. A lost
// connection is nobody's error: every unanswered request is kept and sent again to the server that
// next answers on the socket, in the order of arrival. All NBD requests may be repeated; the
// replication engine serialises overlapping ones, so a late first copy does no harm.
//
// One thread. The owner polls poll_entry(), passes what poll() said to on_poll() once per turn (0
// if nothing: what submit() left behind is settled there), and calls on_time() when deadline() has
// come. Block front ends specification, sections 1 and 4.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "kmod-shim/link/export_info.h"
#include "kmod-shim/link/request.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

struct nbd_handle;

namespace export_link {

struct LinkSettings {
    std::string socket;       // path of the unix socket
    std::string export_name;  // "drbd0"
    std::chrono::milliseconds retry_interval{100};
    std::chrono::seconds handshake_limit{10};
    // How long a server may refuse the export (Secondary, unknown, another size) before the
    // requests fail with EIO. A server that is not there is waited for without limit. 0: for ever.
    std::chrono::seconds refused_limit{60};
};

class NbdLink {
public:
    using Clock = std::chrono::steady_clock;
    using Instant = Clock::time_point;

    struct Hooks {
        std::function<void(Request& request, int error)> answer;  // exactly once per request
        std::function<void(const ExportInfo& info)> connected;    // also after each reconnect
    };

    NbdLink(LinkSettings settings, Hooks hooks, base::LogSink& log);
    ~NbdLink();
    NbdLink(const NbdLink&) = delete;
    NbdLink& operator=(const NbdLink&) = delete;

    void connect(Instant now);
    void submit(Request request);

    // The server offers a new size: finishes what is in flight, reconnects and accepts it.
    void reconnect_for_resize(Instant now);

    // Fails everything unanswered and all that follows with EIO.
    void give_up(const std::string& reason);

    pollfd poll_entry() const;
    void on_poll(short revents, Instant now);
    void on_time(Instant now);
    std::optional<Instant> deadline() const;

    bool ready() const { return state_ == State::Ready; }

    const std::optional<ExportInfo>& export_info() const { return export_info_; }

    // Which export, in words.
    std::string name() const {
        return "export " + settings_.export_name + " of " + settings_.socket;
    }

    // Why the last attempt failed; for the message when the first one never succeeds.
    const std::string& problem() const { return problem_; }

    bool refused() const { return refused_since_.has_value(); }

    std::size_t payload_bytes() const { return payload_bytes_; }

private:
    enum class State { Waiting, Connecting, Asking, Ready, GivenUp };

    struct CloseHandle {
        void operator()(nbd_handle* handle) const;
    };

    // What libnbd's completion is given: stays where it is while the request lives.
    struct Pending {
        NbdLink* link = nullptr;
        Request request;
        std::list<Pending>::iterator self;
    };

    struct Reply {
        Pending* pending = nullptr;
        int error = 0;
    };

    static int on_go_answer(void* link, int* error);
    static int on_reply(void* pending, int* error);

    void progress(Instant now);
    bool step(Instant now);
    void ask_for_export(Instant now);
    void on_export(Instant now);
    void lost(Instant now, const std::string& reason);
    void on_refused(Instant now, const std::string& reason);
    void drop_connection(Instant now);
    void finish_replies();
    void finish(Pending& pending, int error);
    void send(Pending& pending);
    long long start_command(Pending& pending);
    ExportInfo read_export_info() const;

    LinkSettings settings_;
    Hooks hooks_;
    base::LogSink& log_;

    State state_ = State::Waiting;
    std::unique_ptr<nbd_handle, CloseHandle> handle_;
    std::optional<ExportInfo> export_info_;
    std::list<Pending> pending_;  // unanswered, in the order of arrival
    std::vector<Reply> replies_;  // filled by libnbd's callbacks, which must not call it again
    std::size_t sent_ = 0;
    std::size_t payload_bytes_ = 0;

    std::optional<int> go_error_;  // the server's answer to our wish for the export
    bool size_may_change_ = false;
    bool draining_ = false;       // nothing new is sent until all replies are there
    bool server_leaves_ = false;  // it answered ESHUTDOWN
    Instant retry_at_{};
    Instant handshake_ends_{};
    std::optional<Instant> lost_since_;
    std::optional<Instant> refused_since_;
    std::string problem_;
};

}  // namespace export_link
