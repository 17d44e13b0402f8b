// Codecs of the packets that set up a connection and negotiate states (2.3, 3.1 to 3.7).
#include "base/require.h"
#include "proto/codec.h"
#include "proto/packets.h"

#include <algorithm>

namespace proto {
namespace {

using base::get_be16;
using base::get_be32;
using base::get_be64;
using base::put_be16;
using base::put_be32;
using base::put_be64;

constexpr std::size_t kAlgorithmField = 64;  // name and at least one NUL

// The string in `field`, which must hold a NUL. What follows the NUL carries no meaning.
base::Result<std::string> get_string(const char* packet, const char* name, base::ConstBytes field) {
    const auto nul = std::ranges::find(field, std::uint8_t{0});
    if (nul == field.end()) {
        return invalid(packet, std::string(name) + " has no terminating NUL");
    }
    return std::string(field.begin(), nul);
}

void put_string(base::Bytes field, const std::string& text) {
    REQUIRE(text.size() < field.size() && text.find('\0') == std::string::npos);
    std::ranges::fill(field, std::uint8_t{0});
    std::ranges::copy(text, field.begin());
}

}  // namespace

void encode(const ConnectionFeatures& features, base::Bytes out) {
    REQUIRE(out.size() == ConnectionFeatures::kSize);
    std::ranges::fill(out, std::uint8_t{0});
    put_be32(out, 0, features.protocol_min);
    put_be32(out, 4, features.feature_flags);
    put_be32(out, 8, features.protocol_max);
}

// The reserved rest is not looked at: later versions may put something there.
base::Result<ConnectionFeatures> decode_connection_features(base::ConstBytes in) {
    if (in.size() != ConnectionFeatures::kSize) {
        return wrong_size("ConnectionFeatures", in.size(), ConnectionFeatures::kSize);
    }
    return ConnectionFeatures{.protocol_min = get_be32(in, 0),
                              .feature_flags = get_be32(in, 4),
                              .protocol_max = get_be32(in, 8)};
}

void encode(const Protocol& protocol, base::Bytes out) {
    REQUIRE(out.size() == protocol.size() && protocol.integrity_alg.size() < kAlgorithmField);
    put_be32(out, 0, protocol.protocol);
    put_be32(out, 4, protocol.after_sb_0p);
    put_be32(out, 8, protocol.after_sb_1p);
    put_be32(out, 12, protocol.after_sb_2p);
    put_be32(out, 16, protocol.conn_flags);
    put_be32(out, 20, protocol.two_primaries);
    put_string(out.subspan(Protocol::kFixedSize), protocol.integrity_alg);
}

base::Result<Protocol> decode_protocol(base::ConstBytes in) {
    constexpr std::size_t fixed = Protocol::kFixedSize;
    if (in.size() <= fixed || in.size() > fixed + kAlgorithmField) {
        return invalid(
            "Protocol",
            std::to_string(in.size()) + " bytes follow the header, the layout has 25 to 88");
    }
    auto alg = get_string("Protocol", "data-integrity-alg", in.subspan(fixed));
    if (!alg) {
        return alg.error();
    }
    if (alg->size() + 1 != in.size() - fixed) {
        return invalid("Protocol", "bytes follow the NUL of data-integrity-alg");
    }
    const Protocol protocol{.protocol = get_be32(in, 0),
                            .after_sb_0p = get_be32(in, 4),
                            .after_sb_1p = get_be32(in, 8),
                            .after_sb_2p = get_be32(in, 12),
                            .conn_flags = get_be32(in, 16),
                            .two_primaries = get_be32(in, 20),
                            .integrity_alg = std::move(*alg)};
    if (protocol.protocol < 1 || protocol.protocol > 3) {
        return invalid(
            "Protocol",
            "replication protocol " + std::to_string(protocol.protocol) + " is not A, B or C");
    }
    return protocol;
}

void encode(const SyncParam89& param, base::Bytes out) {
    REQUIRE(out.size() == SyncParam89::kSize);
    put_be32(out, 0, param.resync_rate);
    put_string(out.subspan(4, kAlgorithmField), param.verify_alg);
    put_string(out.subspan(68, kAlgorithmField), param.csums_alg);
    put_be32(out, 132, param.c_plan_ahead);
    put_be32(out, 136, param.c_delay_target);
    put_be32(out, 140, param.c_fill_target);
    put_be32(out, 144, param.c_max_rate);
}

base::Result<SyncParam89> decode_sync_param89(base::ConstBytes in) {
    if (in.size() != SyncParam89::kSize) {
        return wrong_size("SyncParam89", in.size(), SyncParam89::kSize);
    }
    auto verify_alg = get_string("SyncParam89", "verify-alg", in.subspan(4, kAlgorithmField));
    if (!verify_alg) {
        return verify_alg.error();
    }
    auto csums_alg = get_string("SyncParam89", "csums-alg", in.subspan(68, kAlgorithmField));
    if (!csums_alg) {
        return csums_alg.error();
    }
    return SyncParam89{.resync_rate = get_be32(in, 0),
                       .verify_alg = std::move(*verify_alg),
                       .csums_alg = std::move(*csums_alg),
                       .c_plan_ahead = get_be32(in, 132),
                       .c_delay_target = get_be32(in, 136),
                       .c_fill_target = get_be32(in, 140),
                       .c_max_rate = get_be32(in, 144)};
}

void encode(const Sizes& sizes, base::Bytes out) {
    REQUIRE(out.size() == sizes.size());
    put_be64(out, 0, sizes.d_size);
    put_be64(out, 8, sizes.u_size);
    put_be64(out, 16, sizes.c_size);
    put_be32(out, 24, sizes.max_bio_size);
    put_be16(out, 28, sizes.queue_order_type);
    put_be16(out, 30, sizes.dds_flags);
    if (!sizes.has_limits) {
        return;
    }
    put_be32(out, 32, sizes.physical_block_size);
    put_be32(out, 36, sizes.logical_block_size);
    put_be32(out, 40, sizes.alignment_offset);
    put_be32(out, 44, sizes.io_min);
    put_be32(out, 48, sizes.io_opt);
    out[52] = sizes.discard_enabled;
    out[53] = sizes.discard_zeroes_data;
    out[54] = sizes.write_same_capable;
    out[55] = 0;
}

base::Result<Sizes> decode_sizes(base::ConstBytes in) {
    const bool has_limits = in.size() == Sizes::kSizeWithLimits;
    if (!has_limits && in.size() != Sizes::kSize) {
        return wrong_size("Sizes", in.size(), Sizes::kSizeWithLimits);
    }
    Sizes sizes;
    sizes.d_size = get_be64(in, 0);
    sizes.u_size = get_be64(in, 8);
    sizes.c_size = get_be64(in, 16);
    for (const std::uint64_t sectors : {sizes.d_size, sizes.u_size, sizes.c_size}) {
        if (sectors > kSectorLimit) {
            return bad_sector("Sizes", {sectors});
        }
    }
    sizes.max_bio_size = get_be32(in, 24);
    sizes.queue_order_type = get_be16(in, 28);
    sizes.dds_flags = get_be16(in, 30);
    sizes.has_limits = has_limits;
    if (!has_limits) {
        return sizes;
    }
    sizes.physical_block_size = get_be32(in, 32);
    sizes.logical_block_size = get_be32(in, 36);
    sizes.alignment_offset = get_be32(in, 40);
    sizes.io_min = get_be32(in, 44);
    sizes.io_opt = get_be32(in, 48);
    sizes.discard_enabled = in[52];
    sizes.discard_zeroes_data = in[53];
    sizes.write_same_capable = in[54];
    return sizes;
}

void encode(const Uuids& uuids, base::Bytes out) {
    REQUIRE(out.size() == Uuids::kSize);
    put_be64(out, 0, uuids.current);
    put_be64(out, 8, uuids.bitmap);
    put_be64(out, 16, uuids.history[0]);
    put_be64(out, 24, uuids.history[1]);
    put_be64(out, 32, uuids.dirty_bits);
    put_be64(out, 40, uuids.flags);
}

base::Result<Uuids> decode_uuids(base::ConstBytes in) {
    if (in.size() != Uuids::kSize) {
        return wrong_size("Uuids", in.size(), Uuids::kSize);
    }
    return Uuids{.current = get_be64(in, 0),
                 .bitmap = get_be64(in, 8),
                 .history = {get_be64(in, 16), get_be64(in, 24)},
                 .dirty_bits = get_be64(in, 32),
                 .flags = get_be64(in, 40)};
}

void encode(const State& state, base::Bytes out) {
    REQUIRE(out.size() == State::kSize);
    put_be32(out, 0, state.value);
}

base::Result<State> decode_state(base::ConstBytes in) {
    if (in.size() != State::kSize) {
        return wrong_size("State", in.size(), State::kSize);
    }
    return State{.value = get_be32(in, 0)};
}

void encode(const SyncUuid& sync, base::Bytes out) {
    REQUIRE(out.size() == SyncUuid::kSize);
    put_be64(out, 0, sync.uuid);
}

base::Result<SyncUuid> decode_sync_uuid(base::ConstBytes in) {
    if (in.size() != SyncUuid::kSize) {
        return wrong_size("SyncUuid", in.size(), SyncUuid::kSize);
    }
    return SyncUuid{.uuid = get_be64(in, 0)};
}

void encode(const StateChgReq& request, base::Bytes out) {
    REQUIRE(out.size() == StateChgReq::kSize);
    put_be32(out, 0, request.mask);
    put_be32(out, 4, request.value);
}

base::Result<StateChgReq> decode_state_chg_req(base::ConstBytes in) {
    if (in.size() != StateChgReq::kSize) {
        return wrong_size("StateChgReq", in.size(), StateChgReq::kSize);
    }
    return StateChgReq{.mask = get_be32(in, 0), .value = get_be32(in, 4)};
}

void encode(const StateChgReply& reply, base::Bytes out) {
    REQUIRE(out.size() == StateChgReply::kSize);
    put_be32(out, 0, static_cast<std::uint32_t>(reply.code));
}

base::Result<StateChgReply> decode_state_chg_reply(base::ConstBytes in) {
    if (in.size() != StateChgReply::kSize) {
        return wrong_size("StateChgReply", in.size(), StateChgReply::kSize);
    }
    return StateChgReply{.code = static_cast<std::int32_t>(get_be32(in, 0))};
}

}  // namespace proto
