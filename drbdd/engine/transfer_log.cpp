#include "drbdd/engine/transfer_log.h"

#include "drbdd/engine/connection.h"

namespace engine {

void TransferLog::start() {
    REQUIRE(epochs_.empty());
    current_ = 0;
}

void TransferLog::add(Device& device, std::uint64_t key) {
    if (epochs_.empty() || epochs_.back().barrier_sent) {
        epochs_.push_back({current_, {}, false, {}});
    }
    epochs_.back().writes.push_back({&device, key});
    ++writes_;
    if (epochs_.back().writes.size() >= core_.settings.net.max_epoch_size) {
        close_epoch();
    }
}

void TransferLog::close_epoch() {
    if (epochs_.empty() || epochs_.back().barrier_sent) {
        return;  // nothing was sent in it: no barrier
    }
    Epoch& epoch = epochs_.back();
    epoch.barrier_sent = true;
    epoch.barrier_at = core_.now;
    ++current_;
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
    for (const Epoch& epoch : epochs_) {
        all.insert(all.end(), epoch.writes.begin(), epoch.writes.end());
    }
    epochs_.clear();
    writes_ = 0;
    ++current_;
    return all;
}

io::Instant TransferLog::oldest_barrier() const {
    return !epochs_.empty() && epochs_.front().barrier_sent ? epochs_.front().barrier_at
                                                            : io::kNever;
}

}  // namespace engine
