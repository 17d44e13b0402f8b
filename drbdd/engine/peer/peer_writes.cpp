#include "drbdd/engine/peer/peer_writes.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/peer_budget.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>
#include <cerrno>

namespace engine {

namespace {

// How long a barrier of a peer that sends its flushes itself may wait for company: the flush costs
// the same for one epoch and for many.
constexpr io::Duration kFlushDelay = std::chrono::milliseconds(20);
constexpr std::size_t kManyEpochs = 512;
// Two of the largest packets: one on its way to the disk, one arriving.
constexpr std::uint64_t kLeastMemory = 2u << 20;
constexpr std::uint64_t kPageBytes = 4096;  // the unit of max-buffers
// What a write costs beside its payload: a trim has none, and a peer may send any number of them.
constexpr std::uint64_t kWriteBytes = 256;
// Of one epoch: twice as many as the greatest max-epoch-size that there is. Without a barrier
// nobody may be told that they are durable, and they are remembered for so long.
constexpr std::uint32_t kMostWritesOfEpoch = 40000;
// Set in keys of the activity log, which the application's writes use too.
constexpr std::uint64_t kLogKey = std::uint64_t{1} << 63;

// Buffers are whole pages, as max-buffers counts them: half a kilobyte costs as much as four.
std::uint64_t memory_of(const io::Slice& payload) {
    return (payload.length + kPageBytes - 1) / kPageBytes * kPageBytes + kWriteBytes;
}

std::uint64_t largest(PeerWrites::Kind kind) {
    return kind == PeerWrites::Kind::Write ? std::uint64_t{proto::kMaxDataBytes}
                                           : ~std::uint64_t{0};
}

}  // namespace

void PeerWrites::start() {
    REQUIRE(drained());
    epochs_.clear();
    ranges_ = 0;
    epochs_.push_back({next_epoch_++, 0, false, 0, 0, {}, {}});
    stable_ = 0;
    acking_ = true;
}

void PeerWrites::on_connection_lost() {
    acking_ = false;
    // The log spoke for the writes of a diskless Primary; without the Primary only the bitmap does.
    const auto forget = [](Write& write) {
        write.acked = false;
        if (write.must_log) {
            write.device->mark_out_of_sync(write.data.sector, write.length);
        }
    };
    core_.work.add(queue_.size() + active_.size());
    for (Write& write : queue_) {
        forget(write);
    }
    for (auto& [key, write] : active_) {
        forget(write);
    }
    if (!epochs_.empty()) {
        epochs_.back().closed = true;  // no barrier will come
    }
}

bool PeerWrites::drained(const Device& device) const {
    core_.work.add(queue_.size() + active_.size());
    const auto of_device = [&device](const Write& write) { return write.device == &device; };
    return std::none_of(queue_.begin(), queue_.end(), of_device) &&
           std::none_of(active_.begin(), active_.end(), [&](const auto& entry) {
               return of_device(entry.second);
           });
}

void PeerWrites::forget(const Device& device) {
    REQUIRE(drained(device));
    for (Epoch& epoch : epochs_) {
        ranges_ -= std::erase_if(epoch.unflushed,
                                 [&](const Range& range) { return range.device == &device; });
    }
}

bool PeerWrites::queued(const Device& device,
                        base::Sector sector,
                        std::uint64_t bytes,
                        std::uint64_t before) const {
    const std::uint64_t end = sector.value + bytes / base::kSectorBytes;
    core_.work.add(queue_.size());
    return std::any_of(queue_.begin(), queue_.end(), [&](const Write& write) {
        const std::uint64_t first = write.data.sector.value;
        return write.device == &device && write.arrival < before && first < end &&
               first + write.length / base::kSectorBytes > sector.value;
    });
}

// Epoch n is made durable before epoch n+1 is begun, as DRBD does it.
bool PeerWrites::in_order() const {
    return !connection_.epochs_unordered();
}

// Payload received and not on the disk yet; beyond it the peer is made to wait.
std::uint64_t PeerWrites::most_memory() const {
    return std::max(core_.settings.net.max_buffers * kPageBytes, kLeastMemory);
}

base::Result<void> PeerWrites::on_write(
    Device& device, Kind kind, const proto::Data& data, std::uint64_t length, io::Slice payload) {
    const bool flush_only = length == 0 && kind == Kind::Write && data.has(proto::kDataFlush);
    const std::uint64_t size = device.size_sectors();
    if (!flush_only &&
        (length == 0 || length > largest(kind) || !device.covers(data.sector, length))) {
        return base::Error{
            base::ErrorCode::Invalid,
            base::format("a write of %llu bytes at sector %llu is beyond the device's "
                         "%llu sectors or not aligned",
                         static_cast<unsigned long long>(length),
                         static_cast<unsigned long long>(data.sector.value),
                         static_cast<unsigned long long>(size))};
    }
    // The application's writes here are not ordered with a peer's: two Primaries do not exist for
    // us.
    if (!flush_only && device.state().role == Role::Primary) {
        return base::Error{base::ErrorCode::Invalid, "the peer writes while this node is Primary"};
    }
    device.peer.target.on_peer_write(data.sector, length);
    Epoch& epoch = epochs_.back();
    if (epoch.received >= kMostWritesOfEpoch) {
        return base::Error{base::ErrorCode::TooBig, "too many writes without a barrier"};
    }
    ++epoch.received;
    ++epoch.active;
    memory_bytes_ += memory_of(payload);
    device.counters.received += length / base::kSectorBytes;
    if (data.has(proto::kDataSendReceiveAck)) {
        device.peer.send_ack(proto::Command::RecvAck, data.sector, data.block_id, length);
    }
    Write write;
    write.device = &device;
    write.kind = kind;
    write.data = data;
    write.length = length;
    write.payload = std::move(payload);
    write.arrival = arrived_++;
    write.epoch = epoch.serial;
    write.flushed = !data.has(proto::kDataFlush);
    write.must_log = must_log(write);  // as the peer is now: it may be gone when the turn comes
    if (write.must_log) {
        // Marked now, not when it is done: the peer may get a disk meanwhile, and bitmaps may be
        // sent.
        device.mark_out_of_sync(data.sector, length);
        write.logged_after = device.store.generation();
    }
    queue_.push_back(std::move(write));
    core_.progress = true;
    return {};
}

void PeerWrites::on_barrier(const proto::Barrier& barrier) {
    Epoch& epoch = epochs_.back();
    if (epoch.received == 0) {
        return;  // an empty epoch is not acknowledged
    }
    epoch.number = barrier.number;
    epoch.closed = true;
    epoch.complete_at = core_.now;
    epochs_.push_back({next_epoch_++, 0, false, 0, 0, {}, {}});
    core_.progress = true;
}

// --- To the disk ---

bool PeerWrites::may_submit(const Write& write) const {
    if (in_order() && !epochs_.empty() && epochs_.front().serial < write.epoch) {
        return false;
    }
    if (!write.flushed && !active_.empty()) {
        return false;  // the flush covers all that came before it
    }
    if (write.length == 0) {
        return true;
    }
    const Device& device = *write.device;
    if (write.must_log && !device.store.durable(write.logged_after)) {
        return false;  // after a crash nobody would read the activity log
    }
    const base::Sector sector = write.data.sector;
    return !device.peer_busy(sector, write.length) &&
           !device.peer.source.reading(sector, write.length) &&
           !device.peer.verify_source.holds_back(write.arrival, sector, write.length);
}

void PeerWrites::advance() {
    while (!queue_.empty() && may_submit(queue_.front())) {
        Write write = std::move(queue_.front());
        queue_.pop_front();
        submit(std::move(write));
        core_.progress = true;
    }
    if (wants_flush()) {
        start_flush();
    }
    ack_barriers();
}

// Only for a peer without a disk: it logs nothing, and what it writes is good on our side alone.
bool PeerWrites::must_log(const Write& write) const {
    return write.length > 0 && write.device->state().pdsk < DiskState::Inconsistent &&
           write.device->state().conn >= ConnState::Connected;
}

void PeerWrites::submit(Write write) {
    const std::uint64_t key = next_key_++;
    Device& device = *write.device;
    if (write.length > 0) {
        device.peer_ranges.add(write.data.sector, write.length, key);
        write.busy = true;
    }
    Write& active = active_.emplace(key, std::move(write)).first->second;
    if (!device.local_usable()) {
        finish(key, EIO);
    } else if (!acking_ && active.length == 0) {
        finish(key, 0);  // a flush that nobody waits for any more, and nothing depends on
    } else if (device.peer.before_resync() && active.data.has(proto::kDataMaySetInSync) &&
               active.length > 0) {
        leave_to_resync(key);
    } else if (active.must_log) {
        request_log(key, active);
    } else {
        submit_write(key, active);
    }
}

// Of a resync that the handler may still forbid: its source has to mark it.
void PeerWrites::leave_to_resync(std::uint64_t key) {
    finish(key, EAGAIN);
}

// What goes to the disk next. Where the log must have it, no more than fits there beside the writes
// of others; the peer may trim the whole device with one packet.
std::uint64_t PeerWrites::piece_bytes(const Write& write) {
    const std::uint64_t left = write.length - write.done;
    if (!write.must_log) {
        return left;
    }
    constexpr std::uint64_t kExtentBytes = base::kSectorsPerAlExtent * base::kSectorBytes;
    const std::uint64_t at = base::to_bytes(write.data.sector) + write.done;
    const std::uint64_t most = write.device->log.most_extents() * kExtentBytes;
    return std::min(left, most - at % kExtentBytes);
}

base::AlExtent PeerWrites::piece_first(const Write& write) {
    return base::al_extent_rounding_down(write.data.sector +
                                         base::sectors_rounding_down(write.done));
}

base::AlExtent PeerWrites::piece_last(const Write& write) {
    const std::uint64_t end = write.done + piece_bytes(write);
    return base::al_extent_rounding_down(write.data.sector + base::sectors_rounding_down(end - 1));
}

void PeerWrites::request_log(std::uint64_t key, Write& write) {
    write.holds_log = write.waits_log = true;
    write.device->log.request(key | kLogKey, piece_first(write), piece_last(write));
}

// True if there was one: the write is not over yet.
bool PeerWrites::next_piece(std::uint64_t key, Write& write) {
    const std::uint64_t bytes = piece_bytes(write);
    if (write.done + bytes >= write.length) {
        return false;
    }
    if (write.holds_log) {
        write.device->log.put(piece_first(write), piece_last(write));
    }
    write.done += bytes;
    request_log(key, write);
    return true;
}

void PeerWrites::on_log_ready(std::uint64_t key) {
    const auto found = active_.find(key & ~kLogKey);
    REQUIRE(found != active_.end());
    found->second.waits_log = false;
    submit_write(found->first, found->second);
}

void PeerWrites::submit_write(std::uint64_t key, Write& write) {
    io::DiskOp op;
    op.sector = write.data.sector + base::sectors_rounding_down(write.done);
    op.length = piece_bytes(write);
    if (!write.flushed) {
        op.kind = io::DiskOp::Kind::Flush;
        op.length = 0;
    } else if (write.kind == Kind::Write) {
        op.kind = io::DiskOp::Kind::Write;
        op.fua = write.data.has(proto::kDataFua);
        op.buffer = write.payload;
    } else {
        // A trim must read back the same on both nodes: zeroes.
        const bool discard = write.kind == Kind::Trim && write.device->disk.geometry().can_discard;
        op.kind = discard ? io::DiskOp::Kind::Discard : io::DiskOp::Kind::WriteZeroes;
        op.may_unmap = write.kind == Kind::Trim || write.data.has(proto::kDataDiscard);
        op.fua = write.data.has(proto::kDataFua);
    }
    write.device->disk.submit(DiskUser::PeerWrite, key, std::move(op));
}

void PeerWrites::on_write_done(Device& device, const DiskTicket& ticket, int error) {
    core_.progress = true;
    const auto found = active_.find(ticket.key);
    REQUIRE(found != active_.end());
    Write& write = found->second;
    if (error == 0 && !device.local_usable()) {
        error = EIO;  // the disk is no member any more: this write does not count
    }
    if (error == 0 && !write.flushed && write.length > 0) {
        write.flushed = true;
        submit_write(ticket.key, write);
        return;
    }
    if (error == 0 && next_piece(ticket.key, write)) {
        return;
    }
    const bool flush = ticket.op.kind == io::DiskOp::Kind::Flush;
    finish(ticket.key, error);
    if (error != 0 && flush) {
        device.flush_failed(base::format("flush for the peer failed, errno %d", error));
    } else if (error != 0) {
        device.disk_failed(false, base::format("write for the peer failed, errno %d", error));
    }
}

void PeerWrites::finish(std::uint64_t key, int error) {
    Write write = std::move(active_.at(key));
    active_.erase(key);
    memory_bytes_ -= memory_of(write.payload);
    Device& device = *write.device;
    if (write.busy) {
        device.peer_ranges.remove(write.data.sector, key);
    }
    if (error != 0) {
        device.mark_out_of_sync(write.data.sector, write.length);
    }
    acknowledge(write, error);
    if (write.holds_log && device.disk.accepts()) {
        device.log.put(piece_first(write), piece_last(write));
    }
    Epoch* epoch = find_epoch(write.epoch);
    REQUIRE(epoch != nullptr && epoch->active > 0);
    --epoch->active;
    epoch->complete_at = core_.now;
    if (error == 0 && write.length > 0) {  // a flush alone leaves nothing to be flushed
        epoch->unflushed.push_back({&device, write.data.sector, write.length, write.data.block_id});
        ++ranges_;
    }
    core_.progress = true;
}

void PeerWrites::acknowledge(const Write& write, int error) {
    Device& device = *write.device;
    const proto::Data& data = write.data;
    const bool told = write.acked && acking_;
    if (error != 0) {
        if (told) {
            device.peer.send_ack(proto::Command::NegAck, data.sector, data.block_id, write.length);
        }
        return;
    }
    if (!told || !data.has(proto::kDataSendWriteAck)) {
        return;
    }
    const bool in_sync =
        data.has(proto::kDataMaySetInSync) && device.state().syncing() && !write.holds_log;
    if (in_sync) {
        device.mark_in_sync(data.sector, write.length);
    }
    device.peer.send_ack(in_sync ? proto::Command::RsWriteAck : proto::Command::WriteAck,
                         data.sector,
                         data.block_id,
                         write.length);
}

// --- Epochs ---

// Serials are consecutive, and there may be hundreds of epochs between two flushes.
PeerWrites::Epoch* PeerWrites::find_epoch(std::uint64_t serial) {
    if (epochs_.empty() || serial < epochs_.front().serial || serial > epochs_.back().serial) {
        return nullptr;
    }
    Epoch& epoch = epochs_[serial - epochs_.front().serial];
    REQUIRE(epoch.serial == serial);
    return &epoch;
}

bool PeerWrites::wants_flush() const {
    if (flushes_running_ > 0 || epochs_.empty() || !epochs_.front().complete() ||
        epochs_.front().serial <= stable_) {
        return false;
    }
    return in_order() || !acking_ || epochs_.size() > kManyEpochs ||
           core_.now >= epochs_.front().complete_at + kFlushDelay;
}

void PeerWrites::start_flush() {
    std::vector<Device*> devices;
    for (const Epoch& epoch : epochs_) {
        if (!epoch.complete()) {
            break;
        }
        flush_covers_ = epoch.serial;
        core_.work.add(epoch.unflushed.size());
        for (const Range& range : epoch.unflushed) {
            const bool seen =
                std::find(devices.begin(), devices.end(), range.device) != devices.end();
            // Also of a disk that is being detached: until it is closed its peer counts on it.
            if (!seen && range.device->disk.accepts() &&
                range.device->settings().disk.disk_flushes) {
                devices.push_back(range.device);
            }
        }
    }
    flushes_running_ = static_cast<std::uint32_t>(devices.size());
    for (Device* device : devices) {
        io::DiskOp op;
        op.kind = io::DiskOp::Kind::Flush;
        device->disk.submit(DiskUser::PeerFlush, 0, std::move(op));
    }
    if (devices.empty()) {
        finish_flush();
    }
}

void PeerWrites::on_flush_done(Device& device, int error) {
    REQUIRE(flushes_running_ > 0);
    if (error != 0) {
        device.flush_failed(base::format("flush for the peer failed, errno %d", error));
    }
    if (--flushes_running_ == 0) {
        finish_flush();
    }
}

void PeerWrites::finish_flush() {
    stable_ = flush_covers_;
    core_.progress = true;
    ack_barriers();
}

void PeerWrites::ack_barriers() {
    while (!epochs_.empty() && epochs_.front().complete() && epochs_.front().serial <= stable_) {
        const Epoch& epoch = epochs_.front();
        if (acking_) {
            std::vector<std::uint8_t> body(proto::BarrierAck::kSize);
            proto::encode(proto::BarrierAck{epoch.number, epoch.received}, body);
            connection_.send_meta(proto::Command::BarrierAck, VolumeNumber{}, body);
        }
        ranges_ -= epoch.unflushed.size();
        epochs_.pop_front();
        core_.progress = true;
    }
}

// The open epoch does not count: only the peer can end it, and for that it has to be heard. What it
// may hold has a limit of its own.
std::uint64_t PeerWrites::bytes_to_be_flushed() const {
    if (epochs_.empty()) {
        return 0;
    }
    return (epochs_.size() - 1) * budget::kEpochBytes +
           (ranges_ - epochs_.back().unflushed.size()) * budget::kRangeBytes;
}

void PeerWrites::take_back(Device& device) {
    for (Epoch& epoch : epochs_) {
        for (const Range& range : epoch.unflushed) {
            if (range.device == &device) {
                device.mark_out_of_sync(range.sector, range.length);
                negative(range);
            }
        }
        ranges_ -= std::erase_if(epoch.unflushed,
                                 [&device](const Range& range) { return range.device == &device; });
    }
}

void PeerWrites::on_disk_lost(Device& device) {
    take_back(device);
    // Writes that wait for the activity log will not get it.
    std::vector<std::uint64_t> waiting;
    for (auto& [key, write] : active_) {
        if (write.device == &device && write.waits_log) {
            waiting.push_back(key);
        }
        write.holds_log = write.holds_log && write.device != &device;
    }
    for (const std::uint64_t key : waiting) {
        finish(key, EIO);
    }
    core_.progress = true;
}

void PeerWrites::negative(const Range& range) {
    if (acking_ && range.length > 0) {
        range.device->peer.send_ack(
            proto::Command::NegAck, range.sector, range.block_id, range.length);
    }
}

io::Instant PeerWrites::next_deadline() const {
    if (flushes_running_ > 0 || epochs_.empty() || !epochs_.front().complete() ||
        epochs_.front().serial <= stable_) {
        return io::kNever;
    }
    return epochs_.front().complete_at + kFlushDelay;
}

std::uint64_t PeerWrites::unacked(const Device& device) const {
    const auto of_device = [&device](const auto& write) { return write.device == &device; };
    return static_cast<std::uint64_t>(
        std::count_if(queue_.begin(), queue_.end(), of_device) +
        std::count_if(active_.begin(), active_.end(), [&](const auto& entry) {
            return of_device(entry.second);
        }));
}

}  // namespace engine
