#include "tests/sim/kernel_traps.h"

#include <algorithm>

namespace sim {

using proto::Command;

namespace {

bool offers_explicit_flush(base::ConstBytes body) {
    const auto features = proto::decode_connection_features(body);
    return features && (features->feature_flags & proto::kFeatureExplicitFlush) != 0;
}

}  // namespace

void KernelTraps::arrived(const proto::Header& header, base::ConstBytes body) {
    switch (static_cast<Command>(header.command)) {
        case Command::ConnectionFeatures:
            peers_explicit_flush_ = offers_explicit_flush(body);
            return;
        case Command::WriteAck:
        case Command::RsWriteAck:
        case Command::NegAck:
            if (const auto ack = proto::decode_block_ack(body)) {
                unwritten_.erase({header.volume, ack->block_id});
            }
            return;
        case Command::BarrierAck:
            if (const auto ack = proto::decode_barrier_ack(body)) {
                std::erase_if(unwritten_, [&](const auto& entry) {
                    return entry.second.barrier == ack->number;
                });
            }
            return;
        default:
            return;
    }
}

void KernelTraps::note_write(std::uint16_t volume, const proto::Data& data, std::uint64_t bytes) {
    unwritten_[{volume, data.block_id}] = {data.sector.value, bytes, std::nullopt};
}

bool KernelTraps::reads_unwritten(std::uint16_t volume, const proto::BlockReq& request) const {
    const std::uint64_t begin = request.sector.value;
    const std::uint64_t end = begin + request.size / base::kSectorBytes;
    return std::any_of(unwritten_.begin(), unwritten_.end(), [&](const auto& entry) {
        const auto& [key, write] = entry;
        return key.first == volume && write.sector < end &&
               begin < write.sector + write.bytes / base::kSectorBytes;
    });
}

const char* KernelTraps::sent(const proto::Header& header,
                              base::ConstBytes body,
                              std::uint64_t payload_bytes) {
    const bool kernel = digests_ && to_kernel();
    switch (static_cast<Command>(header.command)) {
        case Command::ConnectionFeatures:
            own_explicit_flush_ = offers_explicit_flush(body);
            digests_ = false;
            unwritten_.clear();
            return nullptr;
        case Command::Protocol:
        case Command::ProtocolUpdate: {
            const auto protocol = proto::decode_protocol(body);
            digests_ = protocol && !protocol->integrity_alg.empty();
            return nullptr;
        }
        case Command::Data:
            if (const auto data = proto::decode_data(body); data && payload_bytes != 0) {
                note_write(header.volume, *data, payload_bytes);
            }
            return kernel && payload_bytes == 0 ? "a flush that crashes a kernel was sent"
                                                : nullptr;
        case Command::Trim:
        case Command::Zeroes:
            if (const auto trim = proto::decode_trim(body)) {
                note_write(header.volume, trim->data, trim->size);
            }
            return kernel && header.command == static_cast<std::uint16_t>(Command::Zeroes)
                       ? "P_ZEROES that a kernel stalls at were sent"
                       : nullptr;
        case Command::Barrier:
            if (const auto barrier = proto::decode_barrier(body)) {
                for (auto& [key, write] : unwritten_) {
                    write.barrier = write.barrier.value_or(barrier->number);
                }
            }
            return nullptr;
        case Command::DataRequest:
            if (const auto request = proto::decode_block_req(body);
                to_kernel() && request && reads_unwritten(header.volume, *request)) {
                return "a read that a kernel may do before the write that was sent earlier";
            }
            return nullptr;
        default:
            return nullptr;
    }
}

}  // namespace sim
