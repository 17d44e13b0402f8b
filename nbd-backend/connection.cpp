#include "nbd-backend/connection.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace nbd {

namespace {

constexpr unsigned kReadsPerTurn = 64;  // then other work of the resource gets its turn
constexpr std::size_t kPiecesPerSend = 128;
// One BLOCK_STATUS looks no further, and tells of no more extents in a context: its client asks
// again from where the answer ends, and in between the resource gets its turn.
constexpr std::uint64_t kStatusReach = std::uint64_t{128} << 20;
constexpr std::size_t kStatusExtents = 1024;
constexpr std::size_t kHandshakeBytes = 4096;  // received at a time
static_assert(kHandshakeBytes <= RequestReader::kStagingBytes);

std::size_t total_length(std::span<const iovec> pieces) {
    std::size_t total = 0;
    for (const iovec& piece : pieces) {
        total += piece.iov_len;
    }
    return total;
}

std::size_t bytes_to_charge(const Request& request) {
    const bool carries = request.command() == Command::Read || request.command() == Command::Write;
    return carries ? static_cast<std::size_t>(request.length) : 0;
}

}  // namespace

Connection::Connection(boost::asio::io_context& io,
                       boost::asio::posix::stream_descriptor socket,
                       std::string who,
                       io::BlockDevice& device,
                       const ConnectionOptions& options,
                       base::LogSink& log,
                       ConnectionHooks hooks)
    : io_(io),
      socket_(std::move(socket)),
      deadline_(io),
      who_(std::move(who)),
      device_(device),
      options_(options),
      log_(log),
      hooks_(std::move(hooks)),
      wire_(socket_.native_handle()),
      reader_(session_, device.pool(), [this] {
          session_.volume.size_bytes = device_.info().size_bytes;
      }) {
}

void Connection::start() {
    handshake_.emplace(static_cast<ExportHost&>(*this),
                       options_.tls ? TlsUse::Required : TlsUse::None);
    deadline_.expires_after(options_.handshake_deadline);
    deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error && self->handshake_ && self->socket_.is_open()) {
            self->log(base::LogLevel::Info, "no request within the handshake deadline, closing");
            self->close_socket();
        }
    });
    send_bytes(handshake_->output());
    paused_ = true;  // flush() goes on with reading
}

void Connection::stop() {
    stopping_ = true;
    if (handshake_) {
        close_socket();
    } else {
        close_if_idle();
    }
}

void Connection::abort() {
    close_socket();
}

void Connection::abandon() {
    hooks_ = {};
    close_socket();
}

Export Connection::describe() {
    return nbd::describe(device_.info(), options_.read_only);
}

base::Result<void> Connection::probe() {
    if (auto admitted = admit(); !admitted) {
        return admitted;
    }
    auto opened = device_.open(!options_.read_only, who_);
    if (opened) {
        device_.close(who_);
    }
    return opened;
}

base::Result<void> Connection::admit() const {
    return hooks_.admit ? hooks_.admit() : base::Result<void>{};
}

base::Result<void> Connection::open() {
    if (auto admitted = admit(); !admitted) {
        return admitted;
    }
    auto opened = device_.open(!options_.read_only, who_);
    opened_ = opened.has_value();
    return opened;
}

void Connection::wait_readable() {
    if (reading_ || !socket_.is_open()) {
        return;
    }
    reading_ = true;
    if (wire_.holds_bytes()) {
        boost::asio::post(io_, [self = shared_from_this()] { self->on_readable(); });
        return;
    }
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           if (!error) {
                               self->on_readable();
                           }
                       });
}

void Connection::on_readable() {
    reading_ = false;
    if (!socket_.is_open()) {
        return;
    }
    if (securing_) {
        shake_hands();
    } else if (handshake_) {
        negotiate();
    } else {
        pump();
    }
}

void Connection::wait_writable() {
    if (writing_ || !socket_.is_open()) {
        return;
    }
    writing_ = true;
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           self->writing_ = false;
                           if (error || !self->socket_.is_open()) {
                               return;
                           }
                           if (self->securing_) {
                               self->shake_hands();
                           } else {
                               self->flush();
                           }
                       });
}

// All: the space was filled, there may be more. Nothing: not now, or never again; in the latter
// case reading_ended_ is set or the socket is closed.
Connection::Received Connection::receive(std::span<iovec> space, std::size_t& bytes) {
    const Wire::Moved moved = wire_.receive(space);
    bytes = moved.bytes;
    switch (moved.status) {
        case Wire::Status::Done:
            return bytes == total_length(space) ? Received::All : Received::Some;
        case Wire::Status::Ended:
            reading_ended_ = true;  // half-close: what is outstanding is still answered
            break;
        case Wire::Status::Broken:
            close_socket();
            break;
        case Wire::Status::NotNow:
            break;
    }
    return Received::Nothing;
}

void Connection::negotiate() {
    std::array<std::uint8_t, kHandshakeBytes> buffer;
    std::array<iovec, 1> space{{{buffer.data(), buffer.size()}}};
    std::size_t count = 0;
    if (receive(space, count) == Received::Nothing) {
        if (reading_ended_) {
            close_socket();
        }
        wait_readable();
        return;
    }
    const base::ConstBytes bytes = base::ConstBytes(buffer).first(count);
    const std::size_t used = handshake_->feed(bytes);
    send_bytes(handshake_->output());
    switch (handshake_->phase()) {
        case Handshake::Phase::Negotiating:
            paused_ = true;
            break;
        case Handshake::Phase::Securing:
            // Somebody else could have put them there: they would be taken for the client's own.
            if (used < bytes.size()) {
                log(base::LogLevel::Info, "closing: bytes behind STARTTLS");
                close_socket();
            }
            paused_ = true;
            break;
        case Handshake::Phase::Transmission:
            begin_transmission(bytes.subspan(used));
            break;
        case Handshake::Phase::Closing:
            if (!handshake_->close_reason().empty()) {
                log(base::LogLevel::Info, "closing: " + handshake_->close_reason());
            }
            reading_ended_ = true;
            break;
    }
}

// What allowed it is with the kernel.
void Connection::start_tls() {
    if (!wire_.start_tls(*options_.tls)) {
        log(base::LogLevel::Warning, "closing: no memory for TLS");
        close_socket();
        return;
    }
    securing_ = true;
    shake_hands();
}

void Connection::shake_hands() {
    switch (wire_.shake_hands()) {
        case Wire::Status::Done:
            securing_ = false;
            handshake_->secured();
            log(base::LogLevel::Info, "TLS with " + wire_.client());
            wait_readable();
            break;
        case Wire::Status::NotNow:
            if (wire_.wants_room()) {
                wait_writable();
            } else {
                wait_readable();
            }
            break;
        case Wire::Status::Ended:
        case Wire::Status::Broken:
            log(base::LogLevel::Info, "closing: TLS: " + wire_.problem());
            close_socket();
            break;
    }
}

void Connection::begin_transmission(base::ConstBytes first_bytes) {
    session_ = handshake_->session();
    handshake_.reset();
    deadline_.cancel();
    log(base::LogLevel::Debug, "connected");
    reader_.preload(first_bytes);
    pump();
}

// Receives and executes until the socket is empty or enough is in flight.
void Connection::pump() {
    bool more = true;
    for (unsigned reads = 0;; ++reads) {
        take_requests();
        if (!socket_.is_open()) {
            return;
        }
        if (reading_ended_) {
            close_if_idle();
            return;
        }
        if (!below_limits()) {
            paused_ = true;
            return;
        }
        if (!more || reads == kReadsPerTurn) {
            wait_readable();
            return;
        }
        std::size_t bytes = 0;
        more = receive(reader_.space(), bytes) == Received::All;
        reader_.received(bytes);
    }
}

void Connection::take_requests() {
    Incoming incoming;
    while (below_limits() && !reading_ended_) {
        switch (reader_.next(incoming)) {
            case RequestReader::Step::NeedsBytes:
                return;
            case RequestReader::Step::Request:
                dispatch(incoming);
                break;
            case RequestReader::Step::BadMagic:
                log(base::LogLevel::Info, "closing: a request starts with the wrong magic");
                close_socket();
                return;
            case RequestReader::Step::TooLong:
                log(base::LogLevel::Info, "closing: a request announces more than 64 MiB of data");
                close_socket();
                return;
        }
    }
}

void Connection::dispatch(Incoming& incoming) {
    const Request& request = incoming.request;
    const Command command = request.command();
    if (command == Command::Disconnect) {
        reading_ended_ = true;
        return;
    }
    if (stopping_ && !incoming.refusal) {
        incoming.refusal = refusal_for(ESHUTDOWN);
    }
    if (incoming.refusal) {
        answer(failure(request, session_, incoming.refusal));
    } else if (command == Command::BlockStatus) {
        if (session_.base_allocation) {
            ask_allocation(request);
        } else {
            answer(status_of(request, {}));
        }
    } else if (command == Command::Cache || (command != Command::Flush && request.length == 0)) {
        answer(success(request, session_));
    } else {
        submit(incoming);
    }
}

Reply Connection::status_of(const Request& request, const Extents& allocation) {
    Extents marked;
    if (session_.out_of_sync) {
        marked = out_of_sync(request);
        if (marked.empty()) {
            return failure(
                request, session_, {WireError::Io, "no bitmap: the volume has no disk now"});
        }
    }
    return block_status(request, session_, allocation, marked, device_.pool());
}

void Connection::ask_allocation(const Request& request) {
    const std::uint32_t slot = charge({request, 0});
    device_.map_allocation(
        request.offset,
        std::min(request.length, kStatusReach),
        request.has(kRequestOne) ? 1 : kStatusExtents,
        [this, slot](const std::vector<io::AllocationRun>& runs) { on_mapped(slot, runs); });
}

void Connection::on_mapped(std::uint32_t slot, const std::vector<io::AllocationRun>& runs) {
    const Discharged done = discharge(slot);
    if (!done.wanted) {
        return;
    }
    Extents allocation;
    allocation.reserve(runs.size());
    for (const io::AllocationRun& run : runs) {
        allocation.push_back({run.bytes, run.hole ? kHole | kReadsAsZero : 0});
    }
    --requests_in_flight_;  // answer() counts it again
    answer(status_of(done.pending.request, allocation));
}

// Nothing if there is no bitmap.
Extents Connection::out_of_sync(const Request& request) const {
    const std::uint64_t reach = std::min(request.length, kStatusReach);
    const std::size_t most = request.has(kRequestOne) ? 1 : kStatusExtents;
    Extents extents;
    for (std::uint64_t done = 0; done < reach && extents.size() < most;) {
        const auto run = device_.sync_run(request.offset + done, reach - done);
        if (!run) {
            return {};
        }
        REQUIRE(run->bytes > 0 && run->bytes <= reach - done);
        extents.push_back({run->bytes, run->out_of_sync ? kOutOfSync : 0});
        done += run->bytes;
    }
    return extents;
}

// Without the device: only the request itself counts against the limits, and what its answer holds.
void Connection::answer(Reply reply) {
    ++requests_in_flight_;
    reply.requests_charged = 1;
    reply.bytes_charged = reply.data.length;
    bytes_in_flight_ += reply.bytes_charged;
    replies_.push(std::move(reply));
    schedule_flush();
}

void Connection::submit(Incoming& incoming) {
    const Request& request = incoming.request;
    io::BlockRequest out;
    out.offset = request.offset;
    out.length = request.length;
    out.fua = request.has(kFua);
    switch (request.command()) {
        case Command::Read:
            out.op = io::BlockRequest::Op::Read;
            out.payload = device_.pool().allocate_slice(request.length);
            break;
        case Command::Write:
            out.op = io::BlockRequest::Op::Write;
            out.payload = std::move(incoming.payload);
            break;
        case Command::Trim:
            out.op = io::BlockRequest::Op::Discard;
            break;
        case Command::WriteZeroes:
            out.op = io::BlockRequest::Op::WriteZeroes;
            out.may_unmap = !request.has(kNoHole);
            break;
        default:
            out.op = io::BlockRequest::Op::Flush;
            out.offset = 0;
            out.length = 0;
    }
    // Small and trivially copyable on purpose: std::function then needs no memory of its own.
    const std::uint32_t slot = charge({request, bytes_to_charge(request)});
    out.done = [this, slot](int error, const io::Slice& data) { on_done(slot, error, data); };
    device_.submit(std::move(out));
}

// Into the device with it.
std::uint32_t Connection::charge(const Pending& pending) {
    ++requests_in_flight_;
    bytes_in_flight_ += pending.bytes_charged;
    if (in_device_++ == 0) {
        self_ = shared_from_this();
    }
    return take_slot(pending);
}

// The device has done with it. Not wanted: there is nobody left to be answered.
Connection::Discharged Connection::discharge(std::uint32_t slot) {
    Discharged done{slots_[slot], socket_.is_open(), nullptr};
    free_slots_.push_back(slot);
    REQUIRE(in_device_ > 0);
    if (--in_device_ == 0) {
        done.last = std::move(self_);
    }
    if (!done.wanted) {
        finish();
    }
    return done;
}

std::uint32_t Connection::take_slot(const Pending& pending) {
    if (free_slots_.empty()) {
        slots_.push_back(pending);
        return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = pending;
    return slot;
}

void Connection::on_done(std::uint32_t slot, int error, const io::Slice& data) {
    const Discharged done = discharge(slot);
    if (!done.wanted) {
        return;
    }
    Reply reply = reply_to(done.pending.request, error, data);
    reply.requests_charged = 1;
    reply.bytes_charged = done.pending.bytes_charged;
    replies_.push(std::move(reply));
    schedule_flush();
}

Reply Connection::reply_to(const Request& request, int error, const io::Slice& data) const {
    if (error != 0) {
        return failure(request, session_, refusal_for(error));
    }
    if (request.command() != Command::Read) {
        return success(request, session_);
    }
    REQUIRE(data.length == request.length);
    return read_data(request, session_, data);
}

void Connection::send_bytes(std::vector<std::uint8_t>& bytes) {
    if (!bytes.empty()) {
        Reply reply;
        reply.data = device_.pool().allocate_slice(bytes.size());
        std::memcpy(reply.data.bytes().data(), bytes.data(), bytes.size());
        replies_.push(std::move(reply));
        bytes.clear();
    }
    schedule_flush();
}

// Replies of one turn of the loop leave in one system call.
void Connection::schedule_flush() {
    if (flush_scheduled_ || writing_) {
        return;
    }
    flush_scheduled_ = true;
    boost::asio::post(io_, [self = shared_from_this()] {
        self->flush_scheduled_ = false;
        if (self->socket_.is_open()) {
            self->flush();
        }
    });
}

void Connection::flush() {
    if (!send_queued()) {
        wait_writable();
    }
    if (socket_.is_open()) {
        resume();
    }
}

// False when the socket takes no more for now.
bool Connection::send_queued() {
    std::array<iovec, kPiecesPerSend> pieces;
    while (!replies_.empty()) {
        const Wire::Moved moved = wire_.send(replies_.gather(pieces));
        if (moved.status == Wire::Status::NotNow) {
            return false;
        }
        if (moved.status != Wire::Status::Done) {
            close_socket();
            return true;
        }
        const ReplyQueue::Credit credit = replies_.sent(moved.bytes);
        requests_in_flight_ -= credit.requests;
        bytes_in_flight_ -= credit.bytes;
    }
    return true;
}

void Connection::resume() {
    if (reading_ended_ || stopping_) {
        close_if_idle();
    }
    if (!paused_ || reading_ended_ || !socket_.is_open()) {
        return;
    }
    if (handshake_ ? replies_.empty() : below_limits()) {
        paused_ = false;
        if (handshake_ && handshake_->phase() == Handshake::Phase::Securing) {
            start_tls();
        } else if (handshake_) {
            wait_readable();
        } else {
            pump();
        }
    }
}

bool Connection::below_limits() const {
    return requests_in_flight_ < options_.requests_in_flight &&
           bytes_in_flight_ < options_.bytes_in_flight;
}

void Connection::close_if_idle() {
    if (in_device_ == 0 && replies_.empty()) {
        close_socket();
    }
}

// The device is released before the client can see the end of the connection: whoever waits for
// that may demote at once.
void Connection::close_socket() {
    if (!socket_.is_open()) {
        return;
    }
    if (in_device_ == 0 && opened_) {
        opened_ = false;
        device_.close(who_);
    }
    deadline_.cancel();
    wire_.end_tls();
    boost::system::error_code ignored;
    socket_.close(ignored);
    finish();
}

void Connection::finish() {
    if (in_device_ > 0 || finished_called_) {
        return;
    }
    finished_called_ = true;
    if (opened_) {
        opened_ = false;
        device_.close(who_);
    }
    if (hooks_.finished) {
        hooks_.finished(*this);
    }
}

void Connection::log(base::LogLevel level, const std::string& what) const {
    log_.write(level, who_ + ": " + what);
}

}  // namespace nbd
