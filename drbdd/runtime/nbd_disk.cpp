#include "drbdd/runtime/nbd_disk.h"

#include "base/require.h"
#include "drbdd/runtime/meta_device.h"

#include <boost/asio/post.hpp>
#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace runtime {

namespace asio = boost::asio;

namespace {

using Kind = io::DiskOp::Kind;
using Descriptor = asio::posix::stream_descriptor;

constexpr std::uint64_t kZeroPartBytes = 1u << 30;  // NBD's lengths have 32 bits
constexpr std::size_t kZeroesAtOnceBytes = 128u << 10;
constexpr unsigned kStepsATurn = 64;  // then other work of the resource gets its turn
constexpr std::chrono::milliseconds kAttempt{3'000};  // to connect anew; the next one may do better
constexpr std::uint64_t kEntryBytes = 256;  // what one that is kept costs besides its data

// Its end closes all.
struct Device {
    std::shared_ptr<nbd_handle> handle;
    BackingDevice meta;
    std::shared_ptr<MetaDevice> claim;
};

// The metadata's device as a disk of its own.
BackingDevice meta_of(const BackingDevice& device) {
    REQUIRE(device.remote != nullptr && device.meta != nullptr);
    BackingDevice meta;
    meta.fd = duplicate(device.meta->fd());
    meta.path = device.path;
    return meta;
}

}  // namespace

NbdDisk::NbdDisk(asio::io_context& context,
                 OperationRing& ring,
                 io::BufferPool& pool,
                 BackingDevice device,
                 NbdDiskOptions options,
                 base::LogSink& log,
                 Done done)
    : context_(context),
      pool_(pool),
      log_(log),
      options_(std::move(options)),
      path_(device.path),
      geometry_(device.geometry),
      export_(*device.remote),
      meta_device_(device.meta),
      meta_(context,
            ring,
            pool,
            meta_of(device),
            [this](io::IoId id, int error) { answered_by_meta(id, error); }),
      done_(std::move(done)),
      socket_(context),
      retry_(context),
      limit_(context) {
    if (!watch()) {
        schedule_turn();  // which finds the connection ended
    }
}

NbdDisk::~NbdDisk() {
    REQUIRE(outstanding_ == 0);
    disconnect();
}

// --- What is asked for
// ----------------------------------------------------------------------------

void NbdDisk::submit(const io::DiskOp& op) {
    ++outstanding_;
    if (closed_ || state_ == State::Failed) {
        const int error = closed_ ? ECANCELED : EIO;
        asio::post(context_, [this, id = op.id, error] { tell(id, error); });
    } else if (op.kind == Kind::Flush) {
        submit_flush(op);
    } else if (op.area == io::DiskOp::Area::Meta) {
        meta_dirty_ = meta_dirty_ || (op.kind == Kind::Write && !op.fua);
        meta_.submit(op);
    } else {
        submit_to_export(op, false);
    }
}

void NbdDisk::submit_flush(const io::DiskOp& op) {
    const bool both = std::exchange(meta_dirty_, false);
    flushes_.push_back({op.id.value, {both ? 2u : 1u, 0}});
    if (both) {
        meta_.submit(op);
    }
    submit_to_export(op, false);
}

void NbdDisk::submit_to_export(const io::DiskOp& op, bool ours) {
    Operation& operation = operations_.emplace_back();
    operation.disk = this;
    operation.op = op;
    operation.memory = op.buffer.empty() ? nullptr : op.buffer.bytes().data();
    operation.ours = ours;
    operation.self = std::prev(operations_.end());
    if (state_ == State::Connected) {
        send(operation);
    }
    schedule_turn();
}

void NbdDisk::close() {
    closed_ = true;
}

void NbdDisk::abandon(std::function<void()> idle) {
    REQUIRE(outstanding_ > 0 && !idle_);
    closed_ = true;
    state_ = State::Failed;
    disconnect();
    operations_.clear();
    idle_ = std::move(idle);
    const auto ended = [this] {
        const std::function<void()> told = idle_;  // it may destroy us
        outstanding_ = 0;
        told();
    };
    if (meta_.outstanding() > 0) {
        meta_.abandon(ended);
    } else {
        asio::post(context_, ended);
    }
}

std::shared_ptr<void> NbdDisk::give_up_device() {
    REQUIRE(outstanding_ == 0);
    closed_ = true;
    auto device = std::make_shared<Device>();
    device->handle = export_.handle;
    disconnect();
    device->meta = meta_.release();
    device->claim = std::move(meta_device_);
    return device;
}

std::function<std::uint64_t()> NbdDisk::ruler() const {
    return [bytes = geometry_.size_bytes] { return bytes; };
}

// --- Requests on the wire
// -------------------------------------------------------------------------

// What libnbd does not take is wrong, or meets a connection that has just ended: that one is kept
// for the next.
void NbdDisk::send(Operation& operation) {
    operation.sent = start(operation) >= 0;
    if (!operation.sent && !connection_ended()) {
        answers_.emplace_back(&operation, nbd_get_errno() != 0 ? nbd_get_errno() : EIO);
    }
}

std::int64_t NbdDisk::start(Operation& operation) {
    nbd_handle* nbd = export_.handle.get();
    const nbd_completion_callback done{&NbdDisk::on_answer, &operation, nullptr};
    const io::DiskOp& op = operation.op;
    if (op.kind == Kind::Flush || operation.flushing) {
        operation.covers = last_kept_;
        return nbd_aio_flush(nbd, done, 0);
    }
    const std::uint64_t position = base::to_bytes(op.sector);
    const std::uint32_t durable = op.fua && export_.can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
    operation.part_bytes = op.length;
    switch (op.kind) {
        case Kind::Read:
            return nbd_aio_pread(nbd, operation.memory, op.length, position, done, 0);
        case Kind::Write:
            return nbd_aio_pwrite(nbd, operation.memory, op.length, position, done, durable);
        default:
            return start_zeroing(operation);
    }
}

// A discard has to read as zeroes afterwards, which NBD's TRIM does not promise.
std::int64_t NbdDisk::start_zeroing(Operation& operation) {
    nbd_handle* nbd = export_.handle.get();
    const nbd_completion_callback done{&NbdDisk::on_answer, &operation, nullptr};
    const io::DiskOp& op = operation.op;
    const std::uint64_t position = base::to_bytes(op.sector) + operation.done_bytes;
    const std::uint64_t left = op.length - operation.done_bytes;
    std::uint32_t flags = op.fua && export_.can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
    if (export_.can_zero) {
        flags |= op.kind == Kind::WriteZeroes && !op.may_unmap ? LIBNBD_CMD_FLAG_NO_HOLE : 0;
        operation.part_bytes = std::min(left, kZeroPartBytes);
        return nbd_aio_zero(nbd, operation.part_bytes, position, done, flags);
    }
    if (zeroes_.empty()) {
        zeroes_ = pool_.allocate_slice(kZeroesAtOnceBytes);
        std::memset(zeroes_.bytes().data(), 0, kZeroesAtOnceBytes);
    }
    operation.part_bytes = std::min<std::uint64_t>(left, kZeroesAtOnceBytes);
    return nbd_aio_pwrite(nbd, zeroes_.bytes().data(), operation.part_bytes, position, done, flags);
}

// Runs inside a call of libnbd's: only takes note.
int NbdDisk::on_answer(void* operation, int* error) {
    auto* answered = static_cast<Operation*>(operation);
    answered->disk->answers_.emplace_back(answered, *error);
    return 1;  // libnbd may forget the request
}

void NbdDisk::settle() {
    take_answers();
    if ((state_ == State::Connected || state_ == State::Replaying) && connection_ended()) {
        const char* why = nbd_get_error();
        lost(why != nullptr ? why : "the server has closed it");
    }
}

void NbdDisk::take_answers() {
    bool leaves = false;
    for (std::size_t i = 0; i < answers_.size(); ++i) {
        const auto [operation, error] = answers_[i];
        operation->sent = false;
        leaves = leaves || error == ESHUTDOWN;
        // No server sends ENOTCONN: libnbd says by it that the connection ended first.
        if (error == ENOTCONN || error == ESHUTDOWN) {
            continue;
        }
        if (operation == replaying_.get()) {
            advance_replay(error);
        } else {
            advance(*operation, error);
        }
        if (state_ == State::Failed) {
            return;
        }
    }
    answers_.clear();
    if (leaves) {
        lost("the server is going down");
    }
}

void NbdDisk::advance(Operation& operation, int error) {
    const Kind kind = operation.op.kind;
    if (error != 0) {
        finish(operation, error);
        return;
    }
    if (kind == Kind::Flush || operation.flushing) {
        forget_kept(operation.covers);
        finish(operation, 0);
        return;
    }
    operation.done_bytes += operation.part_bytes;
    if (operation.done_bytes < operation.op.length) {
        send(operation);
        return;
    }
    if (kind != Kind::Read) {
        keep(operation);
    }
    if (kind != Kind::Read && operation.op.fua && !export_.can_fua) {
        operation.flushing = true;
        send(operation);
        return;
    }
    finish(operation, 0);
}

// Also what is durable: an earlier write to the same place, written again, would spoil it.
void NbdDisk::keep(const Operation& operation) {
    Kept& kept = kept_.emplace_back();
    kept.number = ++last_kept_;
    kept.op = operation.op;
    kept.op.buffer = {};
    if (operation.op.kind == Kind::Write) {
        kept.data.assign(operation.memory, operation.memory + operation.op.length);
    }
    kept_total_ += kEntryBytes + kept.data.size();
    if (kept_total_ > options_.kept_bytes && !own_flush_) {
        own_flush_ = true;
        io::DiskOp flush;
        flush.kind = Kind::Flush;
        submit_to_export(flush, true);
    }
}

void NbdDisk::forget_kept(std::uint64_t up_to) {
    while (!kept_.empty() && kept_.front().number <= up_to) {
        kept_total_ -= kEntryBytes + kept_.front().data.size();
        kept_.pop_front();
    }
}

void NbdDisk::finish(Operation& operation, int error) {
    const io::IoId id = operation.op.id;
    const bool flush = operation.op.kind == Kind::Flush;
    const bool ours = operation.ours;
    operations_.erase(operation.self);
    if (ours) {
        own_flush_ = false;
        owed_error_ = error != 0 ? error : owed_error_;
    } else if (flush) {
        flushed(id, error);
    } else {
        tell(id, error);
    }
}

void NbdDisk::answered_by_meta(io::IoId id, int error) {
    const bool flush = std::any_of(
        flushes_.begin(), flushes_.end(), [id](const auto& one) { return one.first == id.value; });
    if (flush) {
        meta_dirty_ = meta_dirty_ || error != 0;
        flushed(id, error);
    } else {
        tell(id, error);
    }
}

void NbdDisk::flushed(io::IoId id, int error) {
    const auto found = std::find_if(
        flushes_.begin(), flushes_.end(), [id](const auto& one) { return one.first == id.value; });
    REQUIRE(found != flushes_.end());
    BothFlushes& both = found->second;
    both.error = error != 0 ? error : both.error;
    if (--both.left > 0) {
        return;
    }
    const int result = both.error != 0 ? both.error : std::exchange(owed_error_, 0);
    flushes_.erase(found);
    tell(id, result);
}

void NbdDisk::tell(io::IoId id, int error) {
    if (idle_) {
        return;  // abandoned
    }
    --outstanding_;
    done_(id, error);
}

// --- The socket
// -----------------------------------------------------------------------------------

bool NbdDisk::connection_ended() const {
    nbd_handle* nbd = export_.handle.get();
    return nbd == nullptr || nbd_aio_is_dead(nbd) == 1 || nbd_aio_is_closed(nbd) == 1;
}

void NbdDisk::schedule_turn() {
    if (std::exchange(turn_scheduled_, true)) {
        return;
    }
    asio::post(context_, [this, alive = std::weak_ptr<char>(alive_)] {
        if (!alive.expired()) {
            turn_scheduled_ = false;
            turn();
        }
    });
}

// nbd_poll() also knows what TLS holds back, of which the socket does not tell.
void NbdDisk::turn() {
    unsigned steps = 0;
    while (socket_.is_open() && steps < kStepsATurn && nbd_poll(export_.handle.get(), 0) == 1) {
        ++steps;
        settle();
    }
    settle();
    wait();
    if (steps == kStepsATurn) {
        schedule_turn();
    }
}

// The descriptor is libnbd's: it is given back before the handle goes.
bool NbdDisk::watch() {
    boost::system::error_code error;
    const int socket = nbd_aio_get_fd(export_.handle.get());
    if (socket >= 0) {
        socket_.assign(socket, error);
    }
    if (socket < 0 || error) {
        return false;
    }
    wait();
    return true;
}

void NbdDisk::disconnect() {
    ++connection_;
    reading_ = false;
    writing_ = false;
    if (socket_.is_open()) {
        socket_.release();
    }
    answers_.clear();
    replaying_.reset();
    export_.handle.reset();
    retry_.cancel();
    limit_.cancel();
}

void NbdDisk::wait() {
    if (!socket_.is_open()) {
        return;
    }
    const unsigned direction = nbd_aio_get_direction(export_.handle.get());
    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) {
        arm(Descriptor::wait_read, reading_);
    }
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) {
        arm(Descriptor::wait_write, writing_);
    }
}

void NbdDisk::arm(Descriptor::wait_type what, bool& armed) {
    if (std::exchange(armed, true)) {
        return;
    }
    socket_.async_wait(
        what,
        [this, &armed, connection = connection_, alive = std::weak_ptr<char>(alive_)](
            const boost::system::error_code& error) {
            if (alive.expired() || connection != connection_) {
                return;
            }
            armed = false;
            if (!error) {
                turn();
            }
        });
}

// --- A connection that has ended
// ------------------------------------------------------------------

void NbdDisk::lost(const std::string& why) {
    const bool anew = state_ == State::Connected;
    state_ = State::Lost;
    ++connection_;
    reading_ = false;
    writing_ = false;
    if (socket_.is_open()) {
        socket_.release();
    }
    answers_.clear();
    replaying_.reset();
    export_.handle.reset();
    for (Operation& operation : operations_) {
        operation.sent = false;
        operation.done_bytes = 0;  // what of it is done may be lost as well
        operation.flushing = false;
    }
    if (anew) {
        log_.write(base::LogLevel::Warning,
                   base::format("%s: the connection is lost (%s); %zu requests wait for it",
                                path_.c_str(),
                                why.c_str(),
                                operations_.size()));
        limit_.expires_after(options_.lost_limit);
        limit_.async_wait([this, alive = std::weak_ptr<char>(alive_)](
                              const boost::system::error_code& cancelled) {
            if (!cancelled && !alive.expired() && state_ != State::Connected) {
                fail("no connection for too long");
            }
        });
    }
    reconnect();
}

void NbdDisk::reconnect() {
    const auto found = std::make_shared<std::optional<base::Result<NbdExport>>>();
    options_.elsewhere(
        [found, uri = path_, limit = std::min(options_.lost_limit, kAttempt)] {
            found->emplace(open_export(uri, limit));
        },
        [this, found, connection = connection_, alive = std::weak_ptr<char>(alive_)] {
            if (!alive.expired() && connection == connection_) {
                on_reconnected(std::move(**found));
            }
        });
}

void NbdDisk::on_reconnected(base::Result<NbdExport> found) {
    if (state_ != State::Lost) {
        return;
    }
    if (found && !found->stands_in_for(export_)) {
        fail("it has come back as another one");
        return;
    }
    if (found) {
        adopt(std::move(*found));
        return;
    }
    retry_.expires_after(options_.retry_interval);
    retry_.async_wait([this, connection = connection_, alive = std::weak_ptr<char>(alive_)](
                          const boost::system::error_code& cancelled) {
        if (!cancelled && !alive.expired() && connection == connection_ && state_ == State::Lost) {
            reconnect();
        }
    });
}

// The abilities stay those of the first one.
void NbdDisk::adopt(NbdExport found) {
    export_.handle = std::move(found.handle);
    state_ = State::Replaying;
    replayed_ = 0;
    if (!watch()) {
        lost("its socket cannot be watched");
        return;
    }
    replay_next();
    schedule_turn();
}

// One after the other: they may overlap.
void NbdDisk::replay_next() {
    replaying_.reset();
    if (replayed_ == kept_.size()) {
        resume();
        return;
    }
    Kept& kept = kept_[replayed_];
    replaying_ = std::make_unique<Operation>();
    replaying_->disk = this;
    replaying_->op = kept.op;
    replaying_->memory = kept.data.data();
    send(*replaying_);
}

void NbdDisk::advance_replay(int error) {
    if (error != 0) {
        fail("it does not take again what it had taken");
        return;
    }
    replaying_->done_bytes += replaying_->part_bytes;
    if (replaying_->done_bytes < replaying_->op.length) {
        send(*replaying_);
        return;
    }
    ++replayed_;
    replay_next();
}

void NbdDisk::resume() {
    log_.write(
        base::LogLevel::Notice,
        base::format("%s: connected again; %zu writes were written again, %zu requests go on",
                     path_.c_str(),
                     kept_.size(),
                     operations_.size()));
    state_ = State::Connected;
    limit_.cancel();
    for (Operation& operation : operations_) {
        send(operation);
    }
}

void NbdDisk::fail(const std::string& why) {
    log_.write(base::LogLevel::Error, path_ + ": the export has failed: " + why);
    state_ = State::Failed;
    disconnect();
    kept_.clear();
    while (!operations_.empty()) {
        finish(operations_.front(), EIO);
    }
}

}  // namespace runtime
