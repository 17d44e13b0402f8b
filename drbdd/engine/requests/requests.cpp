#include "drbdd/engine/requests/requests.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace engine {

namespace {

base::AlExtent first_extent(const AppRequest& app) {
    return base::al_extent_rounding_down(app.sector);
}

base::AlExtent last_extent(const AppRequest& app) {
    return base::al_extent_rounding_down(
        base::Sector{app.sector.value + app.length / base::kSectorBytes - 1});
}

io::DiskOp local_op(const AppRequest& app, bool can_discard) {
    io::DiskOp op;
    op.sector = app.sector;
    op.length = app.length;
    op.fua = app.fua;
    switch (app.op) {
        case AppRequest::Op::Read:
            REQUIRE(false);  // Reads has its own
            break;
        case AppRequest::Op::Write:
            op.kind = io::DiskOp::Kind::Write;
            op.buffer = app.payload;
            break;
        case AppRequest::Op::Flush:
            op.kind = io::DiskOp::Kind::Flush;
            op.sector = {};
            op.length = 0;
            break;
        case AppRequest::Op::Discard:
            // Both replicas must read the same afterwards: only a discard that zeroes will do.
            op.kind = can_discard ? io::DiskOp::Kind::Discard : io::DiskOp::Kind::WriteZeroes;
            break;
        case AppRequest::Op::WriteZeroes:
            op.kind = io::DiskOp::Kind::WriteZeroes;
            op.may_unmap = app.may_unmap;
            break;
    }
    return op;
}

}  // namespace

void Requests::submit(AppRequest request) {
    last_activity_ = core_.now;
    core_.progress = true;
    if (device_.state().role != Role::Primary) {
        core_.emit(CompleteApp{request.id, EROFS, {}});
        return;
    }
    if (request.op == AppRequest::Op::Flush) {
        waiting_flushes_.push_back(std::move(request));
        start_flush();
        return;
    }
    const std::uint64_t key = next_key_++;
    const std::uint64_t sectors = request.length / base::kSectorBytes;
    if (request.op == AppRequest::Op::Read) {
        device_.counters.read += sectors;
        reads.submit(key, std::move(request));
        return;
    }
    device_.counters.written += sectors;
    Write& write = writes_.emplace(key, Write{}).first->second;
    write.app = std::move(request);
    if (!waiting_.empty() || !admit(key, write)) {
        waiting_.push_back(key);
    }
}

void Requests::on_peer_gone() {
    leaving_.clear();
    carrier_.forget();  // the peer may not have got it
    unflushed_at_peer_ = true;
    give_up_undecided();
    reads.on_peer_gone();
}

// --- Writes: admission ---

// Takes the range and asks for the log; false if the write has to wait for another one.
bool Requests::admit(std::uint64_t key, Write& write) {
    const AppRequest& app = write.app;
    if (!gate.open() || ranges_.overlaps(app.sector, app.length) ||
        device_.peer_busy(app.sector, app.length) ||
        device_.peer.target.fetching(app.sector, app.length) ||
        device_.peer.source.reading(app.sector, app.length) ||
        device_.peer.is_compared(app.sector, app.length)) {
        return false;
    }
    ranges_.add(app.sector, app.length, key);
    carrier_.overwritten(app.sector, app.length);
    if (device_.local_usable()) {
        write.waits_log = true;
        device_.log.request(key, first_extent(app), last_extent(app));
    } else {
        logged_.push_back(key);
    }
    core_.progress = true;
    return true;
}

void Requests::on_log_ready(std::uint64_t key) {
    Write& write = writes_.at(key);
    write.waits_log = false;
    write.holds_log = true;
    logged_.push_back(key);
    core_.progress = true;
}

void Requests::start(std::uint64_t key) {
    Write& write = writes_.at(key);
    const VolumeState& state = device_.state();
    const bool local = device_.local_usable();
    if (local && !write.holds_log) {  // the disk came (back) after admission
        write.waits_log = true;
        device_.log.request(key, first_extent(write.app), last_extent(write.app));
        return;
    }
    write.started = true;
    ++started_;
    ++unsettled_;
    const bool remote =
        state.conn >= ConnState::Connected &&
        (state.pdsk == DiskState::UpToDate ||
         (state.pdsk >= DiskState::Inconsistent && state.pdsk != DiskState::DUnknown &&
          state.conn >= ConnState::WFBitMapT && state.conn < ConnState::Ahead));
    const bool good_data = (local && state.disk == DiskState::UpToDate) ||
                           (remote && state.pdsk == DiskState::UpToDate);
    if (!good_data) {
        complete(key, write);
        release(key, write);
        return;
    }
    if (local) {
        submit_locally(key, write);
    }
    if (remote) {
        replicate(key, write);
    } else if (state.conn == ConnState::Ahead || state.conn == ConnState::WFBitMapS) {
        // What was marked before need not be marked at the peer.
        if (device_.bitmap.set_touched(write.app.sector, write.app.length) > 0 ||
            state.conn == ConnState::Ahead) {
            device_.peer_connection().send(
                proto::Command::OutOfSync,
                device_.number(),
                proto::BlockDesc{write.app.sector, static_cast<std::uint32_t>(write.app.length)});
        }
    }
}

void Requests::submit_locally(std::uint64_t key, Write& write) {
    REQUIRE(is_flush(write) || (write.holds_log && device_.store.on_disk(meta::kMdPrimaryInd)));
    write.local = write.local_pending = true;
    device_.disk.submit(is_flush(write) ? DiskUser::AppFlush : DiskUser::AppWrite,
                        key,
                        local_op(write.app, device_.disk.geometry().can_discard));
}

void Requests::replicate(std::uint64_t key, Write& write) {
    Connection& connection = device_.peer_connection();
    const VolumeState& state = device_.state();
    const ReplicationProtocol protocol = core_.settings.net.protocol;
    const AppRequest& app = write.app;
    proto::Data data{app.sector, key, device_.peer.next_sequence(), proto::kDataRwSync};
    if (state.syncing() && (!is_flush(write) || app.payload.empty())) {
        data.flags |= proto::kDataMaySetInSync;
    }
    // Where our own copy is no full one, the peer's is what counts: it must outlive a crash there,
    // as the application here goes on.
    write.sole_copy = !write.local || state.disk != DiskState::UpToDate;
    write.peer_full = state.pdsk == DiskState::UpToDate;
    if (app.fua || write.sole_copy) {
        data.flags |= proto::kDataFua;
    }
    if (protocol == ReplicationProtocol::C || write.sole_copy || state.syncing()) {
        data.flags |= proto::kDataSendWriteAck;
    }
    if (protocol == ReplicationProtocol::B) {
        data.flags |= proto::kDataSendReceiveAck;
    }
    const auto size = static_cast<std::uint32_t>(app.length);
    connection.transfer_log.before_write();
    if (app.op == AppRequest::Op::Flush) {
        data.flags |= proto::kDataFlush | proto::kDataSendWriteAck;
        data.flags |= app.payload.empty() ? 0u : static_cast<std::uint32_t>(proto::kDataFua);
        connection.send_payload(proto::Command::Data, device_.number(), data, app.payload);
    } else if (app.op == AppRequest::Op::Write) {
        connection.send_payload(proto::Command::Data, device_.number(), data, app.payload);
    } else if (app.op == AppRequest::Op::WriteZeroes && connection.digests_confuse_peer()) {
        io::Slice zeroes = core_.pool.allocate_slice(app.length);
        std::memset(zeroes.bytes().data(), 0, app.length);
        connection.send_payload(proto::Command::Data, device_.number(), data, std::move(zeroes));
    } else {
        const bool zeroes =
            app.op == AppRequest::Op::WriteZeroes && connection.has(proto::kFeatureWzeroes);
        data.flags |= zeroes ? static_cast<std::uint32_t>(proto::kDataZeroes) : 0u;
        if (!zeroes || app.may_unmap) {
            data.flags |= proto::kDataDiscard;
        }
        connection.send(zeroes ? proto::Command::Zeroes : proto::Command::Trim,
                        device_.number(),
                        proto::Trim{data, size});
    }
    write.replicated = true;
    write.protocol = protocol;
    set_net(key, write, PeerLeg::Sent);
    if (protocol != ReplicationProtocol::C && !is_flush(write)) {
        write.unwritten = true;
        unwritten_.add(app.sector, app.length, key);
    }
    write.in_log = true;
    ++at_peer_;
    write.sent_at = core_.now;
    write.position = connection.data_position();
    write.epoch = connection.transfer_log.current_epoch();
    unflushed_at_peer_ = unflushed_at_peer_ || !is_flush(write);
    if (protocol == ReplicationProtocol::A) {
        leaving_.emplace_back(write.position, key);
    }
    device_.counters.sent += app.length / base::kSectorBytes;
    connection.transfer_log.add(device_, key);
}

// --- Progress ---

void Requests::on_disk_done(const DiskTicket& ticket, int error) {
    core_.progress = true;
    Write& write = writes_.at(ticket.key);
    if (error != 0 || !device_.local_usable()) {
        write.local_failed = true;
    }
    if (error != 0) {
        report_failure(write, error);
    }
    write.local_pending = false;
    check(ticket.key);
}

void Requests::report_failure(const Write& write, int error) {
    if (is_flush(write)) {
        device_.flush_failed(base::format("local FLUSH IO error, errno %d", error));
        return;
    }
    device_.mark_out_of_sync(write.app.sector, write.app.length);
    device_.disk_failed(false,
                        base::format("local WRITE IO error sector %llu+%llu, errno %d",
                                     static_cast<unsigned long long>(write.app.sector.value),
                                     static_cast<unsigned long long>(write.app.length / 512),
                                     error));
}

base::Result<void> Requests::on_ack(Ack ack, const proto::BlockAck& packet) {
    const auto found = writes_.find(packet.block_id);
    const bool known =
        found != writes_.end() && found->second.in_log && found->second.app.sector == packet.sector;
    if (!known) {
        if (ack == Ack::Negative) {
            device_.mark_out_of_sync(packet.sector, packet.size);
            device_.on_peer_refused_write();
            return {};
        }
        return base::Error{base::ErrorCode::Invalid,
                           base::format("an ack for sector %llu, which was not written",
                                        static_cast<unsigned long long>(packet.sector.value))};
    }
    Write& write = found->second;
    switch (ack) {
        case Ack::Received:
            if (write.net == PeerLeg::Sent || write.net == PeerLeg::Left) {
                set_net(found->first, write, PeerLeg::Received);
            }
            break;
        case Ack::Written:
            set_net(found->first, write, PeerLeg::Written);
            break;
        case Ack::InSync:
            set_net(found->first, write, PeerLeg::InSync);
            break;
        case Ack::Negative:
            set_net(found->first, write, PeerLeg::Negative);
            mark_refused(write);
            device_.on_peer_refused_write();  // before the write is completed from our copy alone
            break;
    }
    check(found->first);
    return {};
}

void Requests::on_barrier_acked(std::uint64_t key) {
    Write& write = writes_.at(key);
    write.in_log = false;
    --at_peer_;
    write.durable = write.net != PeerLeg::Negative;
    if (write.net == PeerLeg::Sent || write.net == PeerLeg::Left) {
        set_net(key, write, PeerLeg::Received);
    }
    check(key);
}

void Requests::on_sent(std::uint64_t position) {
    while (!leaving_.empty() && leaving_.front().first <= position) {
        const std::uint64_t key = leaving_.front().second;
        leaving_.pop_front();
        const auto found = writes_.find(key);
        if (found != writes_.end() && found->second.net == PeerLeg::Sent) {
            set_net(key, found->second, PeerLeg::Left);
            check(key);
        }
    }
}

void Requests::on_connection_lost(std::uint64_t key) {
    Write& write = writes_.at(key);
    write.in_log = false;
    --at_peer_;
    // On the peer's medium: flushed there, or forced to it.
    const bool safe = write.durable || (write.sole_copy && write.net == PeerLeg::Written);
    if (write.completed && !is_flush(write) && !safe) {
        if (device_.local_usable() && !device_.counts_as_bad()) {
            device_.freezer.note_unsafe_write();
        } else {
            device_.note_write_lost_with_disk();
        }
    }
    set_net(key, write, PeerLeg::Lost);
    check(key);
}

// What this disk holds of unfinished writes is out of reach: only the peer's copy counts for them.
void Requests::on_disk_lost() {
    on_disk_doubted();
    for (const AppRequest& app : completions.on_disk_lost()) {
        make_again(app);
    }
    std::vector<std::uint64_t> undecided;
    core_.work.add(writes_.size());
    for (auto& [key, write] : writes_) {
        write.holds_log = false;
        if (write.waits_log) {
            write.waits_log = false;
            logged_.push_back(key);
        }
        if (write.local && !write.local_pending && !write.completed) {
            write.local_failed = true;
            undecided.push_back(key);
        }
    }
    for (const std::uint64_t key : undecided) {
        check(key);
    }
    core_.progress = true;
}

void Requests::on_generation_known() {
    for (const std::uint64_t key : undecided()) {
        check(key);
    }
    core_.progress = true;
}

void Requests::on_disk_doubted() {
    peer_knows_our_disk_ = !device_.peer_has_data();
    telling_peer_ = false;
    core_.progress = true;
}

void Requests::on_failed_flush() {
    for (auto& [key, write] : writes_) {
        write.local_doubted = true;
    }
}

WriteLegs Requests::legs_of(const Write& write) const {
    return {.protocol = write.protocol,
            .flush = is_flush(write),
            .own_copy = has_own_copy(write),
            .own_failed = write.local_failed,
            .peer_knows_our_disk = peer_knows_our_disk_ && !device_.awaits_generation(),
            .replicated = write.replicated,
            .peer = write.net,
            .peer_durable = write.durable,
            .peer_full = write.peer_full};
}

// Completes the write, or lets go of it, as far as it is.
void Requests::check(std::uint64_t key) {
    Write& write = writes_.at(key);
    core_.work.add();
    if (write.local_pending) {
        return;
    }
    if (!write.completed && may_complete(legs_of(write))) {
        complete(key, write);
    } else if (!write.completed && !has_own_copy(write) && write.in_log) {
        device_.peer_connection().transfer_log.close_epoch();  // the barrier ack decides
    }
    if (write.completed && !write.in_log) {
        release(key, write);
    }
}

// It counts only while the disk is a member: one that has failed, or is detached, is read no more.
bool Requests::has_own_copy(const Write& write) const {
    return write.local && !write.local_failed && !write.sole_copy && device_.is_member();
}

// Not completed yet, and of no use on our disk: the peer's word decides.
std::vector<std::uint64_t> Requests::undecided() const {
    std::vector<std::uint64_t> keys;
    core_.work.add(writes_.size());
    for (const auto& [key, write] : writes_) {
        if (!write.completed && write.local_failed && !is_flush(write)) {
            keys.push_back(key);
        }
    }
    return keys;
}

// The peer, or its data, are gone before it knew what has become of our disk: even what it had is
// not safe.
void Requests::give_up_undecided() {
    telling_peer_ = false;
    const bool unnamed = device_.give_up_generation();
    if (std::exchange(peer_knows_our_disk_, true) && !unnamed) {
        return;
    }
    for (const std::uint64_t key : undecided()) {
        Write& write = writes_.at(key);
        set_net(key, write, PeerLeg::Lost);
        write.durable = false;
        check(key);
    }
}

// The application hears of it. A write of the current epoch closes that: a later one may depend on
// it.
void Requests::complete(std::uint64_t key, Write& write) {
    write.completed = true;
    --started_;
    core_.progress = true;
    const WriteLegs legs = legs_of(write);
    const int error = has_good_copy(legs) ? 0 : EIO;
    TransferLog& transfer_log = device_.peer_connection().transfer_log;
    if (write.replicated && write.in_log && write.epoch == transfer_log.current_epoch()) {
        // The end of a resync waits for the barrier acks of the writes that were part of it.
        if (device_.state().syncing()) {
            transfer_log.close_epoch();
        } else {
            transfer_log.close_epoch_soon();
        }
    }
    const bool again = error != 0 && device_.freezer.makes_again();
    const auto tell = [&](const AppRequest& app, int result) {
        again ? make_again(app) : completions.write(app, result, !peer_has_it(legs));
    };
    if (is_flush(write)) {
        flush_key_ = 0;
        if (!write.app.payload.empty()) {
            ranges_.remove(write.app.sector, key);
        }
        std::vector<AppRequest> flushes = std::exchange(running_flushes_, {});
        if (std::exchange(telling_peer_, false) && error == 0) {
            peer_knows_our_disk_ = true;
            for (const std::uint64_t other : undecided()) {
                check(other);
            }
        }
        const bool unknown = write.local_failed && !peer_knows_our_disk_;
        if ((error != 0 || unknown) && !device_.local_usable() && device_.peer_has_data()) {
            // Our disk has gone under it: once more, at the peer.
            waiting_flushes_.insert(waiting_flushes_.begin(), flushes.begin(), flushes.end());
            return;
        }
        const int result = flushes.empty() || again ? error : settle_flush_error(error);
        for (const AppRequest& flush : flushes) {
            tell(flush, result);
        }
    } else {
        ranges_.remove(write.app.sector, key);
        if (error == 0 && write.replicated &&
            !device_.peer_connection().has(proto::kFeatureExplicitFlush)) {
            carrier_.written(write.app);
        }
        completed_writes_ += error == 0 ? 1 : 0;
        tell(write.app, error);
        write.app.payload = {};
    }
}

// Before all that waits: something of that may overlap it, and has come later. What the first
// attempt has left on a disk stays marked.
void Requests::make_again(const AppRequest& app) {
    if (app.op == AppRequest::Op::Flush) {
        waiting_flushes_.push_back(app);
        return;
    }
    const std::uint64_t key = next_key_++;
    writes_.emplace(key, Write{}).first->second.app = app;
    waiting_.push_front(key);
}

void Requests::release(std::uint64_t key, Write& write) {
    settle_bits(write);
    unsettled_ -= write.started ? 1 : 0;
    set_net(key, write, PeerLeg::None);
    if (write.in_sync) {
        in_sync_.remove(write.app.sector, key);
    }
    if (write.unwritten) {
        unwritten_.remove(write.app.sector, key);
    }
    if (write.holds_log) {
        device_.log.put(first_extent(write.app), last_extent(write.app));
    }
    writes_.erase(key);
    core_.progress = true;
}

// Both copies are good, or the bitmap says that they may differ.
void Requests::settle_bits(const Write& write) {
    if (is_flush(write) || !write.local) {
        if (is_flush(write) && write.net == PeerLeg::Negative && !write.app.payload.empty()) {
            device_.mark_out_of_sync(write.app.sector, write.app.length);
        }
        return;
    }
    if (write.net == PeerLeg::Negative && !write.local_failed) {
        return;  // marked when that was heard: a resync may have brought it since
    }
    if (write.local_failed || !write.durable) {
        device_.mark_out_of_sync(write.app.sector, write.app.length);
        keep_marked(write.app);
    } else if (write.net == PeerLeg::InSync && !write.local_doubted) {
        device_.mark_in_sync(write.app.sector, write.app.length);
    }
}

// At once: its release may come after the resync that brings it.
void Requests::mark_refused(const Write& write) {
    if (!is_flush(write) && write.local) {
        device_.mark_out_of_sync(write.app.sector, write.app.length);
        keep_marked(write.app);
    }
}

void Requests::set_net(std::uint64_t key, Write& write, PeerLeg net) {
    const auto waits = [](PeerLeg at) { return at == PeerLeg::Sent || at == PeerLeg::Left; };
    if (waits(write.net)) {
        --unacknowledged_;
        unacknowledged_bytes_ -= write.app.length;
    }
    if (waits(net)) {
        ++unacknowledged_;
        unacknowledged_bytes_ += write.app.length;
    }
    write.net = net;
    if (net == PeerLeg::InSync && !std::exchange(write.in_sync, true)) {
        in_sync_.add(write.app.sector, write.app.length, key);
    }
}

// An older write that was part of a resync gets its barrier ack later: it must not clear the bits.
void Requests::keep_marked(const AppRequest& newer) {
    in_sync_.take_overlapping(newer.sector, newer.length, [this](std::uint64_t key) {
        Write& older = writes_.at(key);
        older.in_sync = false;
        if (older.net == PeerLeg::InSync) {
            set_net(key, older, PeerLeg::Written);
        }
    });
}

void Requests::advance() {
    completions.advance();
    if (device_.state().role != Role::Primary) {
        carrier_.forget();  // others write there
    }
    if (!device_.peer_has_data()) {
        give_up_undecided();
    }
    while (!logged_.empty() && gate.open()) {
        const std::uint64_t key = logged_.front();
        logged_.pop_front();
        start(key);
        core_.progress = true;
    }
    while (!waiting_.empty() && admit(waiting_.front(), writes_.at(waiting_.front()))) {
        waiting_.pop_front();
    }
    reads.advance();
    start_flush();
}

bool Requests::idle() const {
    return writes_.empty() && reads.pending() == 0 && waiting_flushes_.empty() &&
           completions.none_held();
}

std::optional<GateReason> Requests::held_back_by() const {
    if (device_.log.closed() && device_.log.any_waiting()) {
        return GateReason::Resizing;
    }
    const bool waits = !waiting_.empty() || !logged_.empty() || !waiting_flushes_.empty();
    return waits ? gate.closed_by() : std::nullopt;
}

io::Instant Requests::oldest_unacknowledged() const {
    for (const auto& [key, write] : writes_) {
        core_.work.add();
        if (write.replicated && !write.completed && write.in_log && !may_complete(legs_of(write))) {
            return write.sent_at;
        }
    }
    return io::kNever;
}

}  // namespace engine
