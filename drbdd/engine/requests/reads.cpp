#include "drbdd/engine/requests/reads.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/volume/device.h"

#include <cerrno>
#include <utility>
#include <vector>

namespace engine {

void Reads::submit(std::uint64_t key, AppRequest request) {
    reads_.emplace(key, Read{std::move(request)});
    start(key);
}

bool Reads::served_locally(const AppRequest& app) const {
    const VolumeState& state = device_.state();
    const bool clean_part =
        (state.conn == ConnState::SyncTarget || state.conn == ConnState::PausedSyncT) &&
        !device_.bitmap.any_set(app.sector, app.length);
    return device_.local_usable() && (state.disk == DiskState::UpToDate || clean_part);
}

// Although our own copy is good. What the peer may not have written yet is read here, and what is
// marked: its copy may be another one.
bool Reads::goes_to_peer(const Read& read) {
    const ReadBalancing mode = device_.settings().disk.read_balancing;
    const base::Sector sector = read.app.sector;
    const std::uint64_t bytes = read.app.length;
    if (mode == ReadBalancing::PreferLocal || read.from_here || !device_.peer_has_data() ||
        device_.state().disk != DiskState::UpToDate || writes_.overlaps(sector, bytes) ||
        unwritten_.overlaps(sector, bytes) || device_.bitmap.any_set(sector, bytes)) {
        return false;
    }
    return balance_.prefers_peer(
        mode, sector, {device_.disk.outstanding(), sent_ + device_.requests.unacknowledged()});
}

void Reads::start(std::uint64_t key) {
    Read& read = reads_.at(key);
    const VolumeState& state = device_.state();
    if (state.frozen()) {
        waiting_.push_back(key);
    } else if (served_locally(read.app) && !goes_to_peer(read)) {
        io::DiskOp op;
        op.kind = io::DiskOp::Kind::Read;
        op.sector = read.app.sector;
        op.length = read.app.length;
        op.buffer = read.app.payload;
        op.fua = read.app.fua;
        device_.disk.submit(DiskUser::AppRead, key, std::move(op));
    } else if (device_.peer_has_data()) {
        ask_peer(key, read);
    } else if (state.disk == DiskState::Attaching || state.disk == DiskState::Negotiating) {
        waiting_.push_back(key);
    } else {
        finish(key, EIO, {});
    }
}

void Reads::set_sent(Read& read, bool sent) {
    sent_ += (sent ? 1 : 0) - (read.sent ? 1 : 0);
    read.sent = sent;
}

// A write that overlaps comes first, also one that was completed before the peer has written it: a
// kernel orders the two in no way.
void Reads::ask_peer(std::uint64_t key, Read& read) {
    const AppRequest& app = read.app;
    if (writes_.overlaps(app.sector, app.length) || unwritten_.overlaps(app.sector, app.length)) {
        waiting_.push_back(key);
        return;
    }
    set_sent(read, true);
    device_.peer_connection().send(
        proto::Command::DataRequest,
        device_.number(),
        proto::BlockReq{app.sector, key, static_cast<std::uint32_t>(app.length)});
}

void Reads::on_disk_done(const DiskTicket& ticket, int error) {
    if (error == 0) {
        finish(ticket.key, 0, ticket.op.buffer);
        return;
    }
    device_.mark_out_of_sync(ticket.op.sector, ticket.op.length);
    device_.disk_failed(false,
                        base::format("local READ IO error sector %llu+%llu, errno %d",
                                     static_cast<unsigned long long>(ticket.op.sector.value),
                                     static_cast<unsigned long long>(ticket.op.length / 512),
                                     error));
    if (device_.is_member()) {
        finish(ticket.key, error, {});  // pass_on, and nobody else has it
    } else {
        start(ticket.key);  // from the peer
    }
}

base::Result<void> Reads::on_reply(const proto::Data& data, io::Slice payload) {
    const auto found = reads_.find(data.block_id);
    if (found == reads_.end() || !found->second.sent || found->second.app.sector != data.sector ||
        found->second.app.length != payload.length) {
        return base::Error{base::ErrorCode::Invalid, "a block arrived that was not asked for"};
    }
    device_.counters.received += payload.length / base::kSectorBytes;
    finish(found->first, 0, std::move(payload));
    return {};
}

base::Result<void> Reads::on_refused(const proto::BlockAck& packet) {
    const auto found = reads_.find(packet.block_id);
    if (found == reads_.end() || !found->second.sent || found->second.app.sector != packet.sector) {
        return base::Error{base::ErrorCode::Invalid, "a read was refused that was never sent"};
    }
    if (!served_locally(found->second.app)) {
        finish(found->first, EIO, {});
        return {};
    }
    set_sent(found->second, false);
    found->second.from_here = true;
    start(found->first);
    return {};
}

void Reads::on_peer_gone() {
    std::vector<std::uint64_t> asked;
    for (auto& [key, read] : reads_) {
        if (read.sent) {
            set_sent(read, false);
            asked.push_back(key);
        }
    }
    for (const std::uint64_t key : asked) {
        start(key);
    }
}

void Reads::finish(std::uint64_t key, int error, io::Slice data) {
    const auto found = reads_.find(key);
    REQUIRE(found != reads_.end());
    completions_.read({found->second.app.id, error, std::move(data)});
    set_sent(found->second, false);
    reads_.erase(found);
    core_.progress = true;
}

void Reads::advance() {
    if (waiting_.empty() || device_.state().frozen()) {
        return;
    }
    core_.work.add(waiting_.size());
    for (const std::uint64_t key : std::exchange(waiting_, {})) {
        start(key);
    }
}

}  // namespace engine
