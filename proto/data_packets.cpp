// Codecs of the packets that carry, request and acknowledge blocks (2.3, 6.3 to 6.7).
#include "base/require.h"
#include "proto/codec.h"
#include "proto/packets.h"

namespace proto {
namespace {

using base::get_be32;
using base::get_be64;
using base::get_raw32;
using base::get_raw64;
using base::put_be32;
using base::put_be64;
using base::put_raw32;
using base::put_raw64;

base::Sector get_sector(base::ConstBytes in) {
    return {get_be64(in, 0)};
}

}  // namespace

void encode(const Data& data, base::Bytes out) {
    REQUIRE(out.size() == Data::kSize);
    put_be64(out, 0, data.sector.value);
    put_raw64(out, 8, data.block_id);
    put_be32(out, 16, data.sequence);
    put_be32(out, 20, data.flags);
}

base::Result<Data> decode_data(base::ConstBytes in) {
    if (in.size() != Data::kSize) {
        return wrong_size("Data", in.size(), Data::kSize);
    }
    const Data data{.sector = get_sector(in),
                    .block_id = get_raw64(in, 8),
                    .sequence = get_be32(in, 16),
                    .flags = get_be32(in, 20)};
    if (!is_addressable(data.sector)) {
        return bad_sector("Data", data.sector);
    }
    return data;
}

void encode(const Trim& trim, base::Bytes out) {
    REQUIRE(out.size() == Trim::kSize);
    encode(trim.data, out.first(Data::kSize));
    put_be32(out, 24, trim.size);
}

base::Result<Trim> decode_trim(base::ConstBytes in) {
    if (in.size() != Trim::kSize) {
        return wrong_size("Trim", in.size(), Trim::kSize);
    }
    const auto data = decode_data(in.first(Data::kSize));
    if (!data) {
        return data.error();
    }
    const Trim trim{.data = *data, .size = get_be32(in, 24)};
    if (trim.size == 0 || !is_whole_sectors(trim.size)) {
        return bad_block_size("Trim", trim.size);
    }
    return trim;
}

// The last word is a pad; peers leave stale bytes there, we send zero.
void encode(const BlockReq& request, base::Bytes out) {
    REQUIRE(out.size() == BlockReq::kSize);
    put_be64(out, 0, request.sector.value);
    put_raw64(out, 8, request.block_id);
    put_be32(out, 16, request.size);
    put_be32(out, 20, 0);
}

base::Result<BlockReq> decode_block_req(base::ConstBytes in) {
    if (in.size() != BlockReq::kSize) {
        return wrong_size("BlockReq", in.size(), BlockReq::kSize);
    }
    const BlockReq request{
        .sector = get_sector(in), .block_id = get_raw64(in, 8), .size = get_be32(in, 16)};
    if (!is_addressable(request.sector)) {
        return bad_sector("BlockReq", request.sector);
    }
    if (request.size == 0 || request.size > kMaxDataBytes || !is_whole_sectors(request.size)) {
        return bad_block_size("BlockReq", request.size);
    }
    return request;
}

void encode(const BlockAck& ack, base::Bytes out) {
    REQUIRE(out.size() == BlockAck::kSize);
    put_be64(out, 0, ack.sector.value);
    put_raw64(out, 8, ack.block_id);
    put_be32(out, 16, ack.size);
    put_be32(out, 20, ack.sequence);
}

// Size 0 is that of an acknowledged flush (6.4).
base::Result<BlockAck> decode_block_ack(base::ConstBytes in) {
    if (in.size() != BlockAck::kSize) {
        return wrong_size("BlockAck", in.size(), BlockAck::kSize);
    }
    const BlockAck ack{.sector = get_sector(in),
                       .block_id = get_raw64(in, 8),
                       .size = get_be32(in, 16),
                       .sequence = get_be32(in, 20)};
    if (!is_addressable(ack.sector)) {
        return bad_sector("BlockAck", ack.sector);
    }
    if (!is_whole_sectors(ack.size)) {
        return bad_block_size("BlockAck", ack.size);
    }
    return ack;
}

void encode(const Barrier& barrier, base::Bytes out) {
    REQUIRE(out.size() == Barrier::kSize);
    put_raw32(out, 0, barrier.number);
    put_be32(out, 4, 0);
}

base::Result<Barrier> decode_barrier(base::ConstBytes in) {
    if (in.size() != Barrier::kSize) {
        return wrong_size("Barrier", in.size(), Barrier::kSize);
    }
    return Barrier{.number = get_raw32(in, 0)};
}

void encode(const BarrierAck& ack, base::Bytes out) {
    REQUIRE(out.size() == BarrierAck::kSize);
    put_raw32(out, 0, ack.number);
    put_be32(out, 4, ack.set_size);
}

base::Result<BarrierAck> decode_barrier_ack(base::ConstBytes in) {
    if (in.size() != BarrierAck::kSize) {
        return wrong_size("BarrierAck", in.size(), BarrierAck::kSize);
    }
    return BarrierAck{.number = get_raw32(in, 0), .set_size = get_be32(in, 4)};
}

// The last word is a pad; peers leave stale bytes there, we send zero.
void encode(const BlockDesc& block, base::Bytes out) {
    REQUIRE(out.size() == BlockDesc::kSize);
    put_be64(out, 0, block.sector.value);
    put_be32(out, 8, block.size);
    put_be32(out, 12, 0);
}

base::Result<BlockDesc> decode_block_desc(base::ConstBytes in) {
    if (in.size() != BlockDesc::kSize) {
        return wrong_size("BlockDesc", in.size(), BlockDesc::kSize);
    }
    const BlockDesc block{.sector = get_sector(in), .size = get_be32(in, 8)};
    if (!is_addressable(block.sector)) {
        return bad_sector("BlockDesc", block.sector);
    }
    if (!is_whole_sectors(block.size)) {
        return bad_block_size("BlockDesc", block.size);
    }
    return block;
}

}  // namespace proto
