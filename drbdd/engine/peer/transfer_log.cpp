#include "drbdd/engine/peer/transfer_log.h"

#include "drbdd/engine/peer/connection.h"

#include <algorithm>

namespace engine {

namespace {

// How long a barrier may wait for the next write. Short beside the time for which the peer keeps
// barriers to flush for many at once.
constexpr io::Duration kBarrierDelay = std::chrono::milliseconds(5);

}  // namespace

void TransferLog::start() {
    REQUIRE(epochs_.empty() && barrier_due_ == io::kNever);
    current_ = 0;
}

void TransferLog::add(Device& device, std::uint64_t key) {
    REQUIRE(barrier_due_ == io::kNever);  // before_write() comes first
    if (epochs_.empty() || epochs_.back().closed) {
        epochs_.push_back({current_, {}, false, false, {}});
    }
    epochs_.back().writes.push_back({&device, key});
    ++writes_;
    if (epochs_.back().writes.size() >= core_.settings.net.max_epoch_size) {
        close_epoch();
    }
}

// False: nothing was sent in it, it needs no barrier.
bool TransferLog::close_last() {
    if (epochs_.empty() || epochs_.back().closed) {
        return false;
    }
    epochs_.back().closed = true;
    ++current_;
    return true;
}

// A peer that makes one epoch durable before it begins the next must not be kept waiting for the
// end of one: it could flush by now.
void TransferLog::close_epoch_soon() {
    if (!connection_.epochs_unordered()) {
        close_epoch();
    } else if (close_last()) {
        barrier_due_ = core_.now + kBarrierDelay;
    }
}

void TransferLog::close_epoch() {
    if (close_last() || barrier_due_ != io::kNever) {
        send_barrier();
    }
}

void TransferLog::before_write() {
    if (barrier_due_ != io::kNever) {
        send_barrier();
    }
}

void TransferLog::advance() {
    if (barrier_due_ <= core_.now) {
        send_barrier();
    }
}

void TransferLog::send_barrier() {
    Epoch& epoch = epochs_.back();
    REQUIRE(epoch.closed && !epoch.barrier_sent);
    barrier_due_ = io::kNever;
    epoch.barrier_sent = true;
    epoch.barrier_at = core_.now;
    connection_.send(proto::Command::Barrier,
                     VolumeNumber{},
                     proto::Barrier{static_cast<std::uint32_t>(epoch.number)});
}

base::Result<std::vector<TransferLog::Entry>> TransferLog::on_barrier_ack(
    const proto::BarrierAck& ack) {
    if (epochs_.empty() || !epochs_.front().barrier_sent) {
        return base::Error{base::ErrorCode::Invalid, "barrier ack without a barrier"};
    }
    Epoch& epoch = epochs_.front();
    if (ack.number != static_cast<std::uint32_t>(epoch.number) ||
        ack.set_size != epoch.writes.size()) {
        return base::Error{
            base::ErrorCode::Invalid,
            base::format(
                "BAD! BarrierAck #%u received with n_writes=%u, expected #%u with n_writes=%zu!",
                ack.number,
                ack.set_size,
                static_cast<std::uint32_t>(epoch.number),
                epoch.writes.size())};
    }
    std::vector<Entry> writes = std::move(epoch.writes);
    epochs_.pop_front();
    writes_ -= writes.size();
    return writes;
}

std::vector<TransferLog::Entry> TransferLog::take_all() {
    std::vector<Entry> all;
    core_.work.add(writes_);
    for (const Epoch& epoch : epochs_) {
        all.insert(all.end(), epoch.writes.begin(), epoch.writes.end());
    }
    epochs_.clear();
    barrier_due_ = io::kNever;
    writes_ = 0;
    ++current_;
    return all;
}

io::Instant TransferLog::oldest_barrier() const {
    return !epochs_.empty() && epochs_.front().barrier_sent ? epochs_.front().barrier_at
                                                            : io::kNever;
}

bool TransferLog::none_of(const Device& device) const {
    return std::all_of(epochs_.begin(), epochs_.end(), [&](const Epoch& epoch) {
        return std::all_of(epoch.writes.begin(), epoch.writes.end(), [&](const Entry& entry) {
            return entry.device != &device;
        });
    });
}

}  // namespace engine
