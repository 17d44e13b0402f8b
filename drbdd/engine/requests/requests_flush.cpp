// The application's flushes, and those by which the peer learns of a disk of ours that has failed.
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/requests/requests.h"
#include "drbdd/engine/volume/device.h"

#include <cerrno>
#include <utility>

namespace engine {

// One flush at a time; those that come meanwhile are answered by the next one together. It covers
// what was completed before: on our disk, and under protocol C on the peer's as well.
void Requests::start_flush() {
    const bool tell =
        !peer_knows_our_disk_ && device_.peer_has_data() && !device_.peer.announcements_pending();
    // A gate that waits for writes in progress must not keep back what those wait for.
    const bool open = gate.open();
    if (flush_key_ != 0 || (!tell && (!open || waiting_flushes_.empty()))) {
        return;
    }
    const bool remote = device_.peer_has_data();
    const bool wait_for_peer =
        core_.settings.net.protocol == ReplicationProtocol::C || !device_.is_member();
    bool to_peer = tell || (remote && wait_for_peer && unflushed_at_peer_);
    std::optional<FlushCarrier::Block> carrier;
    if (to_peer && device_.peer_connection().digests_confuse_peer()) {
        carrier = find_carrier();
        if (!carrier && !ranges_.empty()) {
            return;  // a write is about to begin
        }
        if (!carrier) {  // nothing has been written
            to_peer = unflushed_at_peer_ = false;
        }
    }
    if (open) {
        running_flushes_ = std::exchange(waiting_flushes_, {});
    }
    telling_peer_ = tell;
    begin_flush(remote, to_peer, std::move(carrier));
}

void Requests::begin_flush(bool remote, bool to_peer, std::optional<FlushCarrier::Block> carrier) {
    const std::uint64_t key = flush_key_ = next_key_++;  // complete() makes room for the next one
    flush_covers_ = completed_writes_;
    Write& write = writes_.emplace(key, Write{}).first->second;
    write.app.op = AppRequest::Op::Flush;
    write.app.volume = device_.number();
    if (carrier) {
        write.app.sector = carrier->sector;
        write.app.length = carrier->bytes;
        write.app.payload = std::move(carrier->data);
        ranges_.add(write.app.sector, write.app.length, key);
    }
    write.started = true;
    ++started_;
    ++unsettled_;
    const bool local = device_.local_usable();
    device_.peer_connection().transfer_log.close_epoch();
    if (local) {
        submit_locally(key, write);
    }
    write.peer_full = remote;
    write.durable = remote && !to_peer && !unflushed_at_peer_;
    if (to_peer) {
        unflushed_at_peer_ = false;
        replicate(key, write);
    } else if (!local) {
        complete(key, write);
        release(key, write);
    }
}

// A flush that fails may have dropped what it was to cover: the next one, after the disk was
// attached again, would succeed all the same, and an application would take lost writes for stored.
void Requests::on_flush_error() {
    const bool only_copy = !device_.peer_has_data() && completed_writes_ > flushed_writes_;
    owes_flush_error_ = owes_flush_error_ || only_copy;
}

int Requests::settle_flush_error(int error) {
    flushed_writes_ = flush_covers_;
    return std::exchange(owes_flush_error_, false) ? EIO : error;
}

// What was sent and is not overwritten by anything that may be sent before it.
std::optional<FlushCarrier::Block> Requests::find_carrier() {
    if (!carrier_.has_any()) {
        core_.work.add(writes_.size());
        for (const auto& [key, write] : writes_) {
            if (write.replicated && !write.completed && !is_flush(write)) {
                FlushCarrier underway;
                underway.written(write.app);
                return underway.block(core_.pool);
            }
        }
        return std::nullopt;
    }
    return carrier_.block(core_.pool);
}

}  // namespace engine
