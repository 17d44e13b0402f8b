#include "kmod-shim/link/nbd_link.h"

#include <libnbd.h>

#include <cerrno>
#include <utility>

namespace export_link {

using base::LogLevel;

namespace {

constexpr std::size_t kRepliesPerTurn = 1024;

// The server's words if it gave some, without the name of the function that brought them.
std::string last_nbd_error() {
    const char* text = nbd_get_error();
    return text != nullptr ? text : "unknown error";
}

bool holds_payload(const Request& request) {
    return request.kind == Request::Kind::Read || request.kind == Request::Kind::Write;
}

// An export without FLUSH has no volatile cache. One without WRITE_ZEROES leaves it to the kernel
// to write the zeroes.
std::optional<int> answer_without_server(Request::Kind kind, const ExportInfo& info) {
    if (kind == Request::Kind::Flush && !info.can_flush) {
        return 0;
    }
    const bool zeroes = kind == Request::Kind::PunchHole || kind == Request::Kind::WriteZeroes ||
                        kind == Request::Kind::ZeroRange;
    const bool refused =
        (zeroes && !info.can_zero) || (kind == Request::Kind::Discard && !info.can_trim);
    return refused ? std::optional<int>(EOPNOTSUPP) : std::nullopt;
}

}  // namespace

void NbdLink::CloseHandle::operator()(nbd_handle* handle) const {
    nbd_close(handle);
}

NbdLink::NbdLink(LinkSettings settings, Hooks hooks, base::LogSink& log)
    : settings_(std::move(settings)), hooks_(std::move(hooks)), log_(log) {
    replies_.reserve(kRepliesPerTurn);
}

NbdLink::~NbdLink() = default;

// ---- connecting

void NbdLink::connect(Instant now) {
    handle_.reset(nbd_create());
    if (!handle_) {
        lost(now, last_nbd_error());
        return;
    }
    nbd_handle* nbd = handle_.get();
    // Simple replies carry a read's data in one piece with the least framing; they cannot leave
    // parts of the buffer untouched, so that it needs no clearing beforehand.
    // The minimum block of the export may have grown since the loop device above got its own, with
    // a peer whose disk has larger sectors: the server takes the smaller ones as well.
    const std::uint32_t strict =
        nbd_get_strict_mode(nbd) & ~static_cast<std::uint32_t>(LIBNBD_STRICT_ALIGN);
    const bool prepared = nbd_set_request_structured_replies(nbd, false) == 0 &&
#ifdef LIBNBD_HAVE_NBD_SET_REQUEST_EXTENDED_HEADERS
                          nbd_set_request_extended_headers(nbd, false) == 0 &&
#endif
                          nbd_set_pread_initialize(nbd, false) == 0 &&
                          nbd_set_strict_mode(nbd, strict) == 0 &&
                          nbd_set_opt_mode(nbd, true) == 0 &&
                          nbd_set_export_name(nbd, settings_.export_name.c_str()) == 0;
    go_error_.reset();
    handshake_ends_ = now + settings_.handshake_limit;
    state_ = State::Connecting;
    if (!prepared || nbd_aio_connect_unix(nbd, settings_.socket.c_str()) == -1) {
        lost(now, last_nbd_error());
        return;
    }
    progress(now);
}

void NbdLink::ask_for_export(Instant now) {
    state_ = State::Asking;
    const nbd_completion_callback answered{&NbdLink::on_go_answer, this, nullptr};
    if (nbd_aio_opt_go(handle_.get(), answered) == -1) {
        lost(now, last_nbd_error());
    }
}

int NbdLink::on_go_answer(void* link, int* error) {
    static_cast<NbdLink*>(link)->go_error_ = *error;
    return 1;
}

ExportInfo NbdLink::read_export_info() const {
    nbd_handle* nbd = handle_.get();
    const auto size = nbd_get_size(nbd);
    ExportInfo info;
    info.size_bytes = size > 0 ? static_cast<std::uint64_t>(size) : 0;
    info.read_only = nbd_is_read_only(nbd) != 0;
    info.can_flush = nbd_can_flush(nbd) == 1;
    info.can_zero = nbd_can_zero(nbd) == 1;
    info.can_fast_zero = nbd_can_fast_zero(nbd) == 1;
    info.can_fua = nbd_can_fua(nbd) == 1;
    info.can_trim = nbd_can_trim(nbd) == 1;
    info.rotational = nbd_is_rotational(nbd) == 1;
    return info;
}

// The export is granted. Whether it is the one that the requests were meant for is checked before
// any of them is sent again.
void NbdLink::on_export(Instant now) {
    const ExportInfo info = read_export_info();
    const auto fits = export_info_ ? check_same_export(*export_info_, info, size_may_change_)
                                   : check_usable(info);
    if (!fits) {
        on_refused(now, fits.error().text);
        return;
    }
    state_ = State::Ready;
    export_info_ = info;
    size_may_change_ = false;
    refused_since_.reset();
    if (lost_since_) {
        const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(now - *lost_since_);
        log_.write(LogLevel::Notice,
                   base::format("event=reconnected after_ms=%lld requests_sent_again=%zu",
                                static_cast<long long>(gap.count()),
                                pending_.size()));
        lost_since_.reset();
    }
    hooks_.connected(info);
    for (Pending& pending : pending_) {
        send(pending);
    }
}

void NbdLink::drop_connection(Instant now) {
    handle_.reset();  // libnbd forgets its commands; ours stay in pending_
    replies_.clear();
    go_error_.reset();
    server_leaves_ = false;
    draining_ = false;
    sent_ = 0;
    for (Pending& pending : pending_) {
        pending.request.sent = false;
    }
    state_ = State::Waiting;
    retry_at_ = now + settings_.retry_interval;
}

void NbdLink::lost(Instant now, const std::string& reason) {
    if (state_ == State::Ready) {
        log_.write(LogLevel::Warning,
                   base::format("event=connection-lost socket=%s requests_kept=%zu reason=\"%s\"",
                                settings_.socket.c_str(),
                                pending_.size(),
                                reason.c_str()));
        lost_since_ = now;
    }
    problem_ = reason;
    refused_since_.reset();  // it may come back and grant what it refused
    drop_connection(now);
}

void NbdLink::on_refused(Instant now, const std::string& reason) {
    if (!refused_since_) {
        refused_since_ = now;
        log_.write(LogLevel::Warning,
                   base::format("event=export-refused export=%s reason=\"%s\"",
                                settings_.export_name.c_str(),
                                reason.c_str()));
    }
    problem_ = reason;
    drop_connection(now);
    const bool limited = settings_.refused_limit.count() > 0;
    if (limited && export_info_ && now - *refused_since_ >= settings_.refused_limit) {
        give_up(reason);
    }
}

void NbdLink::give_up(const std::string& reason) {
    log_.write(LogLevel::Error,
               base::format("event=gave-up requests_failed=%zu reason=\"%s\" hint=\"unmount, then "
                            "detach and attach the volume\"",
                            pending_.size(),
                            reason.c_str()));
    drop_connection({});
    state_ = State::GivenUp;
    while (!pending_.empty()) {
        finish(pending_.front(), EIO);
    }
}

// A late write of the old connection could overtake a new one, so the change waits for all replies.
void NbdLink::reconnect_for_resize(Instant now) {
    if (state_ == State::GivenUp) {
        return;
    }
    size_may_change_ = true;
    draining_ = state_ == State::Ready;
    progress(now);
}

// ---- requests

void NbdLink::submit(Request request) {
    if (holds_payload(request)) {
        payload_bytes_ += request.length;
    }
    Pending& pending = pending_.emplace_back(Pending{this, std::move(request), {}});
    pending.self = std::prev(pending_.end());
    if (state_ == State::GivenUp) {
        finish(pending, EIO);
    } else if (state_ == State::Ready && !draining_ && !server_leaves_) {
        send(pending);
    }
}

// A command that libnbd does not take is either broken itself or meets a connection that just
// died: in the second case it stays unsent, for the next connection.
void NbdLink::send(Pending& pending) {
    if (const auto known = answer_without_server(pending.request.kind, *export_info_)) {
        replies_.push_back({&pending, *known});
    } else if (start_command(pending) >= 0) {
        pending.request.sent = true;
        ++sent_;
    } else if (nbd_aio_is_ready(handle_.get()) == 1 || nbd_aio_is_processing(handle_.get()) == 1) {
        const int error = nbd_get_errno();
        replies_.push_back({&pending, error != 0 ? error : EIO});
    }
}

long long NbdLink::start_command(Pending& pending) {
    nbd_handle* nbd = handle_.get();
    const Request& request = pending.request;
    const nbd_completion_callback done{&NbdLink::on_reply, &pending, nullptr};
    const Part part = next_part(request);
    const std::uint32_t durable = request.durable ? LIBNBD_CMD_FLAG_FUA : 0;
    switch (request.kind) {
        case Request::Kind::Read:
            return nbd_aio_pread(nbd, request.data, part.length, part.offset, done, 0);
        case Request::Kind::Write:
            return nbd_aio_pwrite(nbd, request.data, part.length, part.offset, done, durable);
        case Request::Kind::Flush:
            return nbd_aio_flush(nbd, done, 0);
        case Request::Kind::PunchHole: {
            // Only if it is cheap: a discard must not turn into gigabytes of zeroes on the wire.
            // The kernel writes the zeroes itself when it needed them and we say EOPNOTSUPP.
            const std::uint32_t flags = export_info_->can_fast_zero ? LIBNBD_CMD_FLAG_FAST_ZERO : 0;
            return nbd_aio_zero(nbd, part.length, part.offset, done, flags);
        }
        case Request::Kind::WriteZeroes:
            return nbd_aio_zero(nbd, part.length, part.offset, done, durable);
        case Request::Kind::ZeroRange: {
            const std::uint32_t flags = LIBNBD_CMD_FLAG_NO_HOLE | durable;
            return nbd_aio_zero(nbd, part.length, part.offset, done, flags);
        }
        case Request::Kind::Discard:
            return nbd_aio_trim(nbd, part.length, part.offset, done, durable);
    }
    return -1;
}

// Runs inside a libnbd call, with its lock held: only notes the answer.
int NbdLink::on_reply(void* pending, int* error) {
    auto* answered = static_cast<Pending*>(pending);
    answered->link->replies_.push_back({answered, *error});
    return 1;  // libnbd may forget the command
}

void NbdLink::finish_replies() {
    for (std::size_t i = 0; i < replies_.size(); ++i) {
        Pending& pending = *replies_[i].pending;
        const int error = replies_[i].error;
        if (pending.request.sent) {
            pending.request.sent = false;
            --sent_;
        }
        // No server sends ENOTCONN: it is libnbd's word for "the connection died first".
        if (error == ENOTCONN || error == ESHUTDOWN) {
            server_leaves_ = server_leaves_ || error == ESHUTDOWN;
            continue;
        }
        Request& request = pending.request;
        const Part part = next_part(request);
        request.finished_bytes += part.length;
        if (error == 0 && request.finished_bytes < request.length) {
            send(pending);  // may add to replies_
        } else {
            finish(pending, error);
        }
    }
    replies_.clear();
}

void NbdLink::finish(Pending& pending, int error) {
    if (holds_payload(pending.request)) {
        payload_bytes_ -= pending.request.length;
    }
    hooks_.answer(pending.request, error);
    pending_.erase(pending.self);
}

// ---- events

pollfd NbdLink::poll_entry() const {
    pollfd entry{-1, 0, 0};
    if (!handle_) {
        return entry;
    }
    const unsigned direction = nbd_aio_get_direction(handle_.get());
    entry.fd = nbd_aio_get_fd(handle_.get());
    entry.events =
        static_cast<short>(((direction & LIBNBD_AIO_DIRECTION_READ) != 0 ? POLLIN : 0) |
                           ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 ? POLLOUT : 0));
    return entry;
}

void NbdLink::on_poll(short revents, Instant now) {
    if (!handle_) {
        return;
    }
    const unsigned direction = nbd_aio_get_direction(handle_.get());
    const bool broken = (revents & (POLLERR | POLLHUP)) != 0;
    if ((broken || (revents & POLLIN) != 0) && (direction & LIBNBD_AIO_DIRECTION_READ) != 0) {
        nbd_aio_notify_read(handle_.get());
    } else if ((broken || (revents & POLLOUT) != 0) &&
               (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) {
        nbd_aio_notify_write(handle_.get());
    }
    progress(now);
}

// libnbd may do several steps within one call: an answer can be there before we poll for it.
void NbdLink::progress(Instant now) {
    while (handle_ && step(now)) {
    }
}

// Looks where libnbd stands and takes the next step; false if it is the server's turn.
bool NbdLink::step(Instant now) {
    finish_replies();
    nbd_handle* nbd = handle_.get();
    if (nbd_aio_is_dead(nbd) == 1 || nbd_aio_is_closed(nbd) == 1) {
        lost(now, state_ == State::Ready ? "the server closed the connection" : last_nbd_error());
    } else if (server_leaves_ && sent_ == 0) {
        lost(now, "the server is shutting down");
    } else if (state_ == State::Connecting && nbd_aio_is_negotiating(nbd) == 1) {
        ask_for_export(now);
    } else if (state_ == State::Asking && go_error_ && *go_error_ != 0) {
        on_refused(now, last_nbd_error());
    } else if (state_ == State::Asking && nbd_aio_is_ready(nbd) == 1) {
        on_export(now);
    } else if (draining_ && sent_ == 0) {
        drop_connection(now);
        retry_at_ = now;
    } else {
        return false;
    }
    return true;
}

std::optional<NbdLink::Instant> NbdLink::deadline() const {
    switch (state_) {
        case State::Waiting:
            return retry_at_;
        case State::Connecting:
        case State::Asking:
            return handshake_ends_;
        case State::Ready:
        case State::GivenUp:
            return std::nullopt;
    }
    return std::nullopt;
}

void NbdLink::on_time(Instant now) {
    const auto due = deadline();
    if (!due || now < *due) {
        return;
    }
    if (state_ == State::Waiting) {
        connect(now);
    } else {
        lost(now, "the server did not finish the handshake in time");
    }
}

}  // namespace export_link
