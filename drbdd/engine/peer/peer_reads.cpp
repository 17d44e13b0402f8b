#include "drbdd/engine/peer/peer_reads.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>

namespace engine {

base::Result<void> PeerReads::on_request(Device& device, const proto::BlockReq& request) {
    if (request.size == 0 || request.size > proto::kMaxDataBytes ||
        !device.covers(request.sector, request.size)) {
        return base::Error{base::ErrorCode::Invalid,
                           base::format("a read of %u bytes at sector %llu: beyond the end of the "
                                        "device, too long or not aligned",
                                        request.size,
                                        static_cast<unsigned long long>(request.sector.value))};
    }
    waiting_.push_back({&device, request});
    return {};
}

void PeerReads::on_connection_lost() {
    waiting_.clear();
    active_.clear();
    active_bytes_ = 0;
}

bool PeerReads::must_wait(const Read& read) const {
    const Device& device = *read.device;
    const PeerWrites& writes = connection_.peer_writes;
    return !writes.drained(device) &&
           (device.peer_busy(read.request.sector, read.request.size) ||
            writes.queued(device, read.request.sector, read.request.size));
}

void PeerReads::advance() {
    while (!waiting_.empty() && connection_.may_read() && !must_wait(waiting_.front())) {
        const Read read = waiting_.front();
        waiting_.pop_front();
        core_.progress = true;
        if (read.device->is_member() && read.device->state().disk == DiskState::UpToDate) {
            begin(read);
        } else {
            refuse(*read.device, read.request);
        }
    }
}

void PeerReads::begin(const Read& read) {
    const std::uint64_t key = next_key_++;
    active_.emplace(key, read);
    active_bytes_ += read.request.size;
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::Read;
    op.sector = read.request.sector;
    op.length = read.request.size;
    op.buffer = core_.pool.allocate_slice(read.request.size);
    read.device->disk.submit(DiskUser::PeerRead, key, std::move(op));
}

void PeerReads::refuse(Device& device, const proto::BlockReq& request) {
    device.peer.send_ack(proto::Command::NegDreply, request.sector, request.block_id, request.size);
}

void PeerReads::on_disk_done(Device& device, const DiskTicket& ticket, int error) {
    if (const auto found = active_.find(ticket.key); found != active_.end()) {
        const proto::BlockReq request = found->second.request;
        active_.erase(found);
        active_bytes_ -= request.size;
        core_.progress = true;
        if (error != 0) {
            refuse(device, request);
        } else {
            connection_.send_payload(proto::Command::DataReply,
                                     device.number(),
                                     proto::Data{request.sector, request.block_id, 0, 0},
                                     ticket.op.buffer);
        }
    }
    if (error != 0) {
        device.disk_failed(false, base::format("read for the peer failed, errno %d", error));
    }
}

bool PeerReads::none_of(const Device& device) const {
    const auto of_another = [&device](const Read& read) { return read.device != &device; };
    return std::all_of(waiting_.begin(), waiting_.end(), of_another) &&
           std::all_of(active_.begin(), active_.end(), [&](const auto& entry) {
               return of_another(entry.second);
           });
}

}  // namespace engine
