#include "tests/sim/kernel_traps.h"

namespace sim {

using proto::Command;

namespace {

bool offers_explicit_flush(base::ConstBytes body) {
    const auto features = proto::decode_connection_features(body);
    return features && (features->feature_flags & proto::kFeatureExplicitFlush) != 0;
}

}  // namespace

void KernelTraps::arrived(const proto::Header& header, base::ConstBytes body) {
    if (static_cast<Command>(header.command) == Command::ConnectionFeatures) {
        peers_explicit_flush_ = offers_explicit_flush(body);
    }
}

const char* KernelTraps::sent(const proto::Header& header,
                              base::ConstBytes body,
                              std::uint64_t payload_bytes) {
    const bool kernel = digests_ && !(own_explicit_flush_ && peers_explicit_flush_);
    switch (static_cast<Command>(header.command)) {
        case Command::ConnectionFeatures:
            own_explicit_flush_ = offers_explicit_flush(body);
            digests_ = false;
            return nullptr;
        case Command::Protocol:
        case Command::ProtocolUpdate: {
            const auto protocol = proto::decode_protocol(body);
            digests_ = protocol && !protocol->integrity_alg.empty();
            return nullptr;
        }
        case Command::Data:
            return kernel && payload_bytes == 0 ? "a flush that crashes a kernel was sent"
                                                : nullptr;
        case Command::Zeroes:
            return kernel ? "P_ZEROES that a kernel stalls at were sent" : nullptr;
        default:
            return nullptr;
    }
}

}  // namespace sim
