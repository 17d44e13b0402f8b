#include "nbd-backend/reply.h"
#include "nbd-backend/request_reader.h"
#include "tests/unit/nbd/memory_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace {

using Octets = std::vector<std::uint8_t>;
using Step = nbd::RequestReader::Step;

constexpr std::uint64_t kSize = 1 << 30;
constexpr std::uint16_t kRead = 0, kWrite = 1, kDisc = 2, kFlush = 3, kTrim = 4, kCache = 5,
                        kZeroes = 6, kStatus = 7;
constexpr std::uint16_t kFua = 1, kNoHole = 2, kDf = 4, kReqOne = 8, kFast = 16, kPayloadLen = 32;

nbd::Session session() {
    nbd::Session out;
    out.volume.size_bytes = kSize;
    out.structured_replies = true;
    out.base_allocation = true;
    return out;
}

nbd::Session extended_session() {
    nbd::Session out = session();
    out.extended_headers = true;
    out.volume.size_bytes = std::uint64_t{1} << 45;
    return out;
}

nbd::Request request(std::uint16_t type,
                     std::uint16_t flags,
                     std::uint64_t offset,
                     std::uint64_t length) {
    return {.flags = flags, .type = type, .cookie = 42, .offset = offset, .length = length};
}

Octets encode(const nbd::Request& in) {
    Octets out(28);
    base::put_be32(out, 0, 0x25609513);
    base::put_be16(out, 4, in.flags);
    base::put_be16(out, 6, in.type);
    base::put_be64(out, 8, in.cookie);
    base::put_be64(out, 16, in.offset);
    base::put_be32(out, 24, static_cast<std::uint32_t>(in.length));
    return out;
}

Octets encode_extended(const nbd::Request& in) {
    Octets out(32);
    base::put_be32(out, 0, 0x21e41c71);
    base::put_be16(out, 4, in.flags);
    base::put_be16(out, 6, in.type);
    base::put_be64(out, 8, in.cookie);
    base::put_be64(out, 16, in.offset);
    base::put_be64(out, 24, in.length);
    return out;
}

unsigned verdict(const nbd::Request& in, const nbd::Session& with) {
    return static_cast<unsigned>(nbd::check_request(in, with).error);
}

struct Row {
    const char* name;
    nbd::Request in;
    int error;
};

TEST(Request, IsJudgedByTheTable) {
    const std::uint32_t max = 32 << 20;
    const std::vector<Row> rows{
        {"read", request(kRead, 0, 0, 4096), 0},
        {"read DF, FUA", request(kRead, kDf | kFua, 0, 4096), 0},
        {"read NO_HOLE", request(kRead, kNoHole, 0, 4096), EINVAL},
        {"read unknown flag", request(kRead, 0x8000, 0, 4096), EINVAL},
        {"read nothing", request(kRead, 0, 0, 0), 0},
        {"read the end", request(kRead, 0, kSize - 512, 512), 0},
        {"read past the end", request(kRead, 0, kSize - 512, 1024), EINVAL},
        {"read, offset wraps", request(kRead, 0, ~std::uint64_t{511}, 1024), EINVAL},
        {"read the most", request(kRead, 0, 0, max), 0},
        {"read too much", request(kRead, 0, 0, max + 512), EINVAL},
        {"read unaligned", request(kRead, 0, 1, 512), EINVAL},
        {"read odd length", request(kRead, 0, 0, 513), EINVAL},
        {"write", request(kWrite, kFua, 0, 4096), 0},
        {"write DF", request(kWrite, kDf, 0, 4096), EINVAL},
        {"write PAYLOAD_LEN", request(kWrite, kPayloadLen, 0, 4096), EINVAL},
        {"write past the end", request(kWrite, 0, kSize, 512), ENOSPC},
        {"write, offset wraps", request(kWrite, 0, ~std::uint64_t{511}, 4096), ENOSPC},
        {"write too much", request(kWrite, 0, 0, max + 512), EINVAL},
        {"write unaligned", request(kWrite, 0, 256, 512), EINVAL},
        {"flush", request(kFlush, kFua, 0, 0), 0},
        {"flush, offset ignored", request(kFlush, 0, kSize * 2, 1), 0},
        {"flush flag", request(kFlush, kDf, 0, 0), EINVAL},
        {"disconnect", request(kDisc, 0, 0, 0), 0},
        {"trim", request(kTrim, kFua, 0, 1 << 29), 0},
        {"trim past the end", request(kTrim, 0, kSize, 512), EINVAL},
        {"trim unaligned", request(kTrim, 0, 0, 100), EINVAL},
        {"trim NO_HOLE", request(kTrim, kNoHole, 0, 512), EINVAL},
        {"cache", request(kCache, kFua, 0, 512), 0},
        {"cache past the end", request(kCache, 0, kSize, 512), EINVAL},
        {"zeroes", request(kZeroes, kFua | kNoHole, 0, 1 << 29), 0},
        {"zeroes past the end", request(kZeroes, 0, kSize - 512, 1024), ENOSPC},
        {"zeroes DF", request(kZeroes, kDf, 0, 512), EINVAL},
        {"zeroes fast", request(kZeroes, kFast, 0, 512), EOPNOTSUPP},
        {"status", request(kStatus, kReqOne | kFua, 0, 1 << 29), 0},
        {"status of nothing", request(kStatus, 0, 0, 0), EINVAL},
        {"status past the end", request(kStatus, 0, kSize, 512), EINVAL},
        {"status flag", request(kStatus, kNoHole, 0, 512), EINVAL},
        {"resize", request(8, 0, 0, 512), EINVAL},
        {"unknown", request(0xffff, 0, 0, 512), EINVAL},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(verdict(row.in, session()), static_cast<unsigned>(row.error));
    }
}

TEST(Request, DependsOnWhatWasNegotiated) {
    nbd::Session plain = session();
    plain.structured_replies = false;
    plain.base_allocation = false;
    EXPECT_EQ(verdict(request(kRead, kDf, 0, 512), plain), unsigned{EINVAL});
    EXPECT_EQ(verdict(request(kStatus, 0, 0, 512), plain), unsigned{EINVAL});
    nbd::Session bitmap_only = session();
    bitmap_only.base_allocation = false;
    bitmap_only.out_of_sync = true;
    EXPECT_EQ(verdict(request(kStatus, 0, 0, 512), bitmap_only), 0u);

    nbd::Session fast = session();
    fast.volume.fast_zeroes = true;
    EXPECT_EQ(verdict(request(kZeroes, kFast, 0, 512), fast), 0u);
    EXPECT_EQ(verdict(request(kZeroes, kFast, 1, 512), fast), unsigned{EOPNOTSUPP});

    nbd::Session no_trim = session();
    no_trim.volume.can_discard = false;
    EXPECT_EQ(verdict(request(kTrim, 0, 0, 512), no_trim), unsigned{EINVAL});

    // The minimum that is announced may have grown under a client: it is served all the same.
    nbd::Session big_blocks = fast;
    big_blocks.volume.block_bytes = 4096;
    EXPECT_EQ(verdict(request(kRead, 0, 512, 4096), big_blocks), 0u);
    EXPECT_EQ(verdict(request(kWrite, 0, 512, 512), big_blocks), 0u);
    EXPECT_EQ(verdict(request(kRead, 0, 100, 4096), big_blocks), unsigned{EINVAL});
    EXPECT_EQ(verdict(request(kZeroes, kFast, 512, 512), big_blocks), unsigned{EOPNOTSUPP});
}

TEST(Request, ExtendedHeadersHaveLengthsOf64Bits) {
    const std::uint64_t size = extended_session().volume.size_bytes;
    const std::uint64_t most = ~std::uint64_t{0};
    const std::vector<Row> rows{
        {"trim of all", request(kTrim, 0, 0, size), 0},
        {"zeroes of all", request(kZeroes, kFua, 0, size), 0},
        {"status of all", request(kStatus, kReqOne, 0, size), 0},
        {"cache of all", request(kCache, 0, 0, size), 0},
        {"trim past the end", request(kTrim, 0, 512, size), EINVAL},
        {"trim, length wraps", request(kTrim, 0, 512, most - 511), EINVAL},
        {"zeroes, both wrap", request(kZeroes, 0, most - 511, most - 511), ENOSPC},
        {"read of 4 GiB", request(kRead, 0, 0, std::uint64_t{1} << 32), EINVAL},
        {"write of 4 GiB", request(kWrite, kPayloadLen, 0, std::uint64_t{1} << 32), EINVAL},
        {"write", request(kWrite, kPayloadLen | kFua, 0, 512), 0},
        {"write of nothing without the flag", request(kWrite, 0, 0, 0), 0},
        {"read PAYLOAD_LEN", request(kRead, kPayloadLen, 0, 512), EINVAL},
        {"flush PAYLOAD_LEN", request(kFlush, kPayloadLen, 0, 0), EINVAL},
        {"status PAYLOAD_LEN, which was not offered", request(kStatus, kPayloadLen, 0, 12), EINVAL},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(verdict(row.in, extended_session()), static_cast<unsigned>(row.error));
    }
}

// Nothing can be answered to it, so nothing can be wrong with it.
TEST(Request, DisconnectIsObeyedWhateverItCarries) {
    nbd::Session plain = session();
    plain.structured_replies = false;
    nbd::Session read_only = session();
    read_only.volume.read_only = true;
    for (const nbd::Session& with : {session(), plain, read_only}) {
        for (const unsigned flags : {0x0001u, 0x0002u, 0x0004u, 0x8000u, 0xffffu}) {
            EXPECT_EQ(verdict(request(kDisc, static_cast<std::uint16_t>(flags), 0, 0), with), 0u);
        }
        EXPECT_EQ(verdict(request(kDisc, 0, kSize * 2, 1), with), 0u);
        EXPECT_EQ(verdict(request(kDisc, 0, ~std::uint64_t{0}, 0xffffffff), with), 0u);
    }
}

TEST(Request, ReadOnlyRefusesEveryChange) {
    nbd::Session read_only = session();
    read_only.volume.read_only = true;
    for (const std::uint16_t type : {kWrite, kTrim, kZeroes}) {
        EXPECT_EQ(verdict(request(type, 0, 0, 512), read_only), unsigned{EPERM});
    }
    for (const std::uint16_t type : {kRead, kFlush, kCache, kStatus}) {
        EXPECT_EQ(verdict(request(type, 0, 0, 512), read_only), 0u);
    }
}

// What a reader makes of a stream that arrives in pieces of at most `piece` bytes.
struct Seen {
    std::vector<nbd::Incoming> requests;
    Step end = Step::NeedsBytes;
    std::size_t receives = 0;
};

Seen read_all(const Octets& stream,
              std::size_t piece,
              const nbd::Session& with,
              io::BufferPool& pool) {
    Seen seen;
    nbd::RequestReader reader(with, pool);
    std::size_t at = 0;
    for (;;) {
        nbd::Incoming incoming;
        seen.end = reader.next(incoming);
        if (seen.end == Step::Request) {
            seen.requests.push_back(std::move(incoming));
            continue;
        }
        if (seen.end != Step::NeedsBytes || at == stream.size()) {
            return seen;
        }
        ++seen.receives;
        std::size_t received = 0;
        for (const iovec& space : reader.space()) {
            const std::size_t count =
                std::min({space.iov_len, piece - received, stream.size() - at});
            std::copy_n(stream.data() + at, count, static_cast<std::uint8_t*>(space.iov_base));
            received += count;
            at += count;
            if (count < space.iov_len) {
                break;
            }
        }
        reader.received(received);
    }
}

Octets payload(std::size_t length, unsigned seed) {
    Octets out(length);
    for (std::size_t i = 0; i < length; ++i) {
        out[i] = static_cast<std::uint8_t>(seed + i * 7);
    }
    return out;
}

void append(Octets& to, const Octets& more) {
    to.insert(to.end(), more.begin(), more.end());
}

TEST(RequestReader, CutsTheStreamTheSameWhateverThePieces) {
    Octets stream = encode(request(kRead, 0, 0, 4096));
    append(stream, encode(request(kWrite, 0, 512, 1024)));
    append(stream, payload(1024, 1));
    append(stream, encode(request(kWrite, 0, kSize, 9000)));  // refused, yet its payload follows
    append(stream, payload(9000, 2));
    append(stream, encode(request(kWrite, 0, 0, 0)));
    append(stream, encode(request(kWrite, 0, 8192, 65536)));
    append(stream, payload(65536, 3));
    append(stream, encode(request(kFlush, 0, 0, 0)));
    const nbd::Session with = session();
    for (const std::size_t piece : {1ul, 2ul, 27ul, 28ul, 29ul, 1000ul, 4096ul, 1000000ul}) {
        SCOPED_TRACE(piece);
        test::MemoryPool pool;
        {
            const Seen seen = read_all(stream, piece, with, pool);
            EXPECT_EQ(seen.end, Step::NeedsBytes);
            ASSERT_EQ(seen.requests.size(), 6u);
            EXPECT_EQ(seen.requests[0].request.type, kRead);
            const base::Bytes small = seen.requests[1].payload.bytes();
            EXPECT_EQ(Octets(small.begin(), small.end()), payload(1024, 1));
            EXPECT_EQ(seen.requests[2].refusal.error, nbd::WireError::NoSpace);
            EXPECT_TRUE(seen.requests[2].payload.empty());
            EXPECT_FALSE(seen.requests[3].refusal);
            const base::Bytes large = seen.requests[4].payload.bytes();
            EXPECT_EQ(Octets(large.begin(), large.end()), payload(65536, 3));
            EXPECT_EQ(seen.requests[5].request.type, kFlush);
        }
        EXPECT_EQ(pool.outstanding(), 0u);
    }
}

TEST(RequestReader, CutsExtendedHeadersTheSameWhateverThePieces) {
    const std::uint64_t end = extended_session().volume.size_bytes;
    Octets stream = encode_extended(request(kTrim, 0, 0, end));
    append(stream, encode_extended(request(kWrite, kPayloadLen, 512, 1024)));
    append(stream, payload(1024, 1));
    append(stream, encode_extended(request(kWrite, kPayloadLen, end, 9000)));
    append(stream, payload(9000, 2));
    append(stream, encode_extended(request(kStatus, kPayloadLen, 0, 12)));  // refused, data follow
    append(stream, payload(12, 3));
    append(stream, encode_extended(request(kWrite, 0, 8192, 65536)));  // without the flag: QEMU's
    append(stream, payload(65536, 4));
    append(stream, encode_extended(request(kFlush, 0, 0, 0)));
    append(stream, encode_extended(request(kDisc, kPayloadLen, 0, 1 << 20)));
    for (const std::size_t piece : {1ul, 31ul, 32ul, 33ul, 1000ul, 4096ul, 1000000ul}) {
        SCOPED_TRACE(piece);
        test::MemoryPool pool;
        {
            const Seen seen = read_all(stream, piece, extended_session(), pool);
            EXPECT_EQ(seen.end, Step::NeedsBytes);
            ASSERT_EQ(seen.requests.size(), 7u);
            EXPECT_EQ(seen.requests[0].request.length, end);
            const base::Bytes small = seen.requests[1].payload.bytes();
            EXPECT_EQ(Octets(small.begin(), small.end()), payload(1024, 1));
            EXPECT_EQ(seen.requests[2].refusal.error, nbd::WireError::NoSpace);
            EXPECT_EQ(seen.requests[3].refusal.error, nbd::WireError::Invalid);
            EXPECT_TRUE(seen.requests[3].payload.empty());
            const base::Bytes large = seen.requests[4].payload.bytes();
            EXPECT_EQ(Octets(large.begin(), large.end()), payload(65536, 4));
            EXPECT_EQ(seen.requests[5].request.type, kFlush);
            EXPECT_EQ(seen.requests[6].request.type, kDisc);
        }
        EXPECT_EQ(pool.outstanding(), 0u);
    }
}

TEST(RequestReader, HangsUpWhereExtendedHeadersLoseTheFraming) {
    test::MemoryPool pool;
    const auto end_of = [&pool](const Octets& stream, const nbd::Session& with) {
        const Seen seen = read_all(stream, stream.size(), with, pool);
        EXPECT_TRUE(seen.requests.empty());
        return seen.end;
    };
    const nbd::Session with = extended_session();
    EXPECT_EQ(end_of(encode_extended(request(kWrite, 0, 0, 65 << 20)), with), Step::TooLong);
    for (const std::uint64_t length : {std::uint64_t{64 << 20} + 1, ~std::uint64_t{0}}) {
        EXPECT_EQ(end_of(encode_extended(request(kWrite, kPayloadLen, 0, length)), with),
                  Step::TooLong);
        EXPECT_EQ(end_of(encode_extended(request(kRead, kPayloadLen, 0, length)), with),
                  Step::TooLong);
    }
    Octets compact = encode(request(kFlush, 0, 0, 0));
    compact.resize(32);
    EXPECT_EQ(end_of(compact, with), Step::BadMagic);
    EXPECT_EQ(end_of(encode_extended(request(kFlush, 0, 0, 0)), session()), Step::BadMagic);
}

Octets write_stream(unsigned count, unsigned bytes) {
    Octets stream;
    for (unsigned i = 0; i < count; ++i) {
        append(stream, encode(request(kWrite, 0, bytes * i, bytes)));
        append(stream, payload(bytes, i));
    }
    return stream;
}

TEST(RequestReader, ReceivesManySmallWritesAtOnce) {
    const Octets stream = write_stream(150, 4096);
    test::MemoryPool pool;
    const Seen seen = read_all(stream, stream.size(), session(), pool);
    ASSERT_EQ(seen.requests.size(), 150u);
    EXPECT_LE(seen.receives, 11u);
    const base::Bytes last = seen.requests.back().payload.bytes();
    EXPECT_EQ(Octets(last.begin(), last.end()), payload(4096, 149));
}

TEST(RequestReader, ReceivesAStreamOfLargeWritesWithOneCallEachInPlace) {
    const Octets stream = write_stream(20, 128 << 10);
    test::MemoryPool pool;
    const Seen seen = read_all(stream, stream.size(), session(), pool);
    EXPECT_EQ(seen.requests.size(), 20u);
    EXPECT_LE(seen.receives, 21u);

    const nbd::Session with = session();
    nbd::RequestReader reader(with, pool);
    reader.preload(base::ConstBytes(stream).first(28));
    nbd::Incoming incoming;
    ASSERT_EQ(reader.next(incoming), Step::NeedsBytes);
    ASSERT_EQ(reader.space().size(), 2u);
    EXPECT_EQ(reader.space()[0].iov_len, 128u << 10);
    EXPECT_EQ(reader.space()[1].iov_len, 28u);  // nothing of the next payload
}

TEST(RequestReader, TakesManyHeadersAtOnce) {
    Octets stream;
    for (unsigned i = 0; i < 128; ++i) {
        append(stream, encode(request(kRead, 0, 4096 * i, 4096)));
    }
    test::MemoryPool pool;
    const Seen seen = read_all(stream, stream.size(), session(), pool);
    EXPECT_EQ(seen.requests.size(), 128u);
    EXPECT_EQ(seen.receives, 1u);
}

TEST(RequestReader, StopsAtAWrongMagic) {
    Octets stream = encode(request(kFlush, 0, 0, 0));
    append(stream, encode(request(kFlush, 0, 0, 0)));
    stream[28] ^= 0x80;
    test::MemoryPool pool;
    const Seen seen = read_all(stream, 1, session(), pool);
    EXPECT_EQ(seen.requests.size(), 1u);
    EXPECT_EQ(seen.end, Step::BadMagic);
}

TEST(RequestReader, DrainsTwiceTheLimitAndHangsUpBeyond) {
    test::MemoryPool pool;
    Octets stream = encode(request(kWrite, 0, 0, 64 << 20));
    stream.resize(stream.size() + (64 << 20));
    append(stream, encode(request(kFlush, 0, 0, 0)));
    const Seen seen = read_all(stream, stream.size(), session(), pool);
    ASSERT_EQ(seen.requests.size(), 2u);
    EXPECT_EQ(seen.requests[0].refusal.error, nbd::WireError::Invalid);
    EXPECT_FALSE(seen.requests[1].refusal);

    const Seen beyond = read_all(encode(request(kWrite, 0, 0, 0xffffffff)), 28, session(), pool);
    EXPECT_TRUE(beyond.requests.empty());
    EXPECT_EQ(beyond.end, Step::TooLong);
}

TEST(RequestReader, StartsWithTheBytesBehindTheHandshake) {
    test::MemoryPool pool;
    const nbd::Session with = session();
    nbd::RequestReader reader(with, pool);
    reader.preload(encode(request(kFlush, 0, 0, 0)));
    nbd::Incoming incoming;
    EXPECT_EQ(reader.next(incoming), Step::Request);
    EXPECT_EQ(reader.next(incoming), Step::NeedsBytes);
}

Octets wire(const nbd::Reply& reply) {
    Octets out(reply.head.begin(),
               reply.head.begin() + static_cast<std::ptrdiff_t>(reply.head_length));
    const base::Bytes data = reply.data.bytes();
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

const Octets kSimpleOk{0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 42};

TEST(Reply, SimpleForms) {
    test::MemoryPool pool;
    nbd::Session with = session();
    with.structured_replies = false;
    io::Slice data = pool.allocate_slice(2);
    data.bytes()[0] = 7, data.bytes()[1] = 8;
    EXPECT_EQ(wire(nbd::success(request(kRead, 0, 0, 0), with)), kSimpleOk);
    Octets expected = kSimpleOk;
    expected.insert(expected.end(), {7, 8});
    EXPECT_EQ(wire(nbd::read_data(request(kRead, 0, 9, 2), with, data)), expected);
    expected = kSimpleOk;
    expected[7] = 28;
    EXPECT_EQ(wire(nbd::failure(request(kWrite, 0, 0, 1), with, nbd::refusal_for(ENOSPC))),
              expected);
}

TEST(Reply, ChunksWhenStructured) {
    test::MemoryPool pool;
    io::Slice data = pool.allocate_slice(2);
    data.bytes()[0] = 7, data.bytes()[1] = 8;
    EXPECT_EQ(wire(nbd::success(request(kWrite, 0, 0, 512), session())), kSimpleOk);
    const auto chunk = [](unsigned type_high, unsigned type_low, unsigned length, Octets rest) {
        Octets out{0x66, 0x8e, 0x33, 0xef, 0, 1};
        out.push_back(static_cast<std::uint8_t>(type_high));
        out.push_back(static_cast<std::uint8_t>(type_low));
        append(out, {0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, static_cast<std::uint8_t>(length)});
        append(out, rest);
        return out;
    };
    EXPECT_EQ(wire(nbd::success(request(kRead, 0, 0, 0), session())), chunk(0, 0, 0, {}));
    EXPECT_EQ(wire(nbd::read_data(request(kRead, 0, 0x1234, 2), session(), data)),
              chunk(0, 1, 10, {0, 0, 0, 0, 0, 0, 0x12, 0x34, 7, 8}));
    EXPECT_EQ(wire(nbd::block_status(request(kStatus, 0, 0, 0x10000), session(), {}, {}, pool)),
              chunk(0, 5, 12, {0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(wire(nbd::failure(request(kRead, 0, 0, 1), session(), {nbd::WireError::Io, "bad"})),
              chunk(0x80, 1, 9, {0, 0, 0, 5, 0, 3, 'b', 'a', 'd'}));
}

// Compact and extended, each context alone and both: one chunk each, the last one is marked.
TEST(Reply, BlockStatusHasOneChunkForEachContext) {
    test::MemoryPool pool;
    const nbd::Extents marks{{0x1000, 0}, {0x3000, 1}};
    const Octets allocated{0x66, 0x8e, 0x33, 0xef, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 42,
                           0,    0,    0,    12,   0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0};
    const Octets marked{0x66, 0x8e, 0x33, 0xef, 0, 1,  0,    5, 0, 0, 0, 0, 0,    0,
                        0,    42,   0,    0,    0, 20, 0,    0, 0, 2, 0, 0, 0x10, 0,
                        0,    0,    0,    0,    0, 0,  0x30, 0, 0, 0, 0, 1};
    nbd::Session with = session();
    with.out_of_sync = true;
    Octets both = allocated;
    append(both, marked);
    const nbd::Request asked = request(kStatus, 0, 0, 0x10000);
    EXPECT_EQ(wire(nbd::block_status(asked, with, {}, marks, pool)), both);
    with.base_allocation = false;
    EXPECT_EQ(wire(nbd::block_status(asked, with, {}, marks, pool)), marked);
    EXPECT_EQ(pool.outstanding(), 0u);
}

TEST(Reply, BlockStatusTellsOfHoles) {
    test::MemoryPool pool;
    const nbd::Extents allocation{{0x1000, nbd::kHole | nbd::kReadsAsZero}, {0x3000, 0}};
    EXPECT_EQ(
        wire(nbd::block_status(request(kStatus, 0, 0, 0x4000), session(), allocation, {}, pool)),
        (Octets{0x66, 0x8e, 0x33, 0xef, 0, 1, 0,    5, 0, 0, 0, 0, 0, 0, 0,    42, 0, 0, 0, 20,
                0,    0,    0,    1,    0, 0, 0x10, 0, 0, 0, 0, 3, 0, 0, 0x30, 0,  0, 0, 0, 0}));
}

TEST(Reply, ExtendedHeadersAreOnEveryChunk) {
    test::MemoryPool pool;
    io::Slice data = pool.allocate_slice(2);
    data.bytes()[0] = 7, data.bytes()[1] = 8;
    nbd::Session with = extended_session();
    const auto chunk = [](unsigned type_high, unsigned type_low, unsigned length, Octets rest) {
        Octets out{0x6e, 0x8a, 0x27, 0x8c, 0, 1};
        out.push_back(static_cast<std::uint8_t>(type_high));
        out.push_back(static_cast<std::uint8_t>(type_low));
        append(out, {0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0});
        out.push_back(static_cast<std::uint8_t>(length));
        append(out, rest);
        return out;
    };
    EXPECT_EQ(wire(nbd::success(request(kWrite, 0, 0x1234, 512), with)), chunk(0, 0, 0, {}));
    EXPECT_EQ(wire(nbd::success(request(kRead, 0, 0x1234, 0), with)), chunk(0, 0, 0, {}));
    EXPECT_EQ(wire(nbd::read_data(request(kRead, 0, 0x1234, 2), with, data)),
              chunk(0, 1, 10, {0, 0, 0, 0, 0, 0, 0x12, 0x34, 7, 8}));
    EXPECT_EQ(wire(nbd::failure(request(kRead, 0, 0x1234, 1), with, {nbd::WireError::Io, "bad"})),
              chunk(0x80, 1, 9, {0, 0, 0, 5, 0, 3, 'b', 'a', 'd'}));
    const nbd::Request all = request(kStatus, 0, 0x1234, std::uint64_t{3} << 40);
    EXPECT_EQ(
        wire(nbd::block_status(all, with, {}, {}, pool)),
        chunk(0, 6, 24, {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    with.base_allocation = false;
    with.out_of_sync = true;
    EXPECT_EQ(wire(nbd::block_status(all, with, {}, {{0x1000, 1}}, pool)),
              chunk(0, 6, 24, {0, 0, 0,    2, 0, 0, 0, 1, 0, 0, 0, 0,
                               0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST(Reply, TextOfAFailureIsCutToTheRoomInTheHead) {
    const std::string text(300, 'x');
    for (const nbd::Session& with : {session(), extended_session()}) {
        const nbd::Reply reply =
            nbd::failure(request(kRead, 0, 0, 1), with, {nbd::WireError::Io, text.c_str()});
        EXPECT_EQ(reply.head_length, nbd::Reply::kHeadLimit);
    }
}

TEST(Reply, OnlyTheProtocolsErrorsLeave) {
    const std::vector<std::pair<int, unsigned>> rows{{0, 0},
                                                     {EPERM, 1},
                                                     {EROFS, 1},
                                                     {EINVAL, 22},
                                                     {ENOSPC, 28},
                                                     {EDQUOT, 28},
                                                     {EFBIG, 28},
                                                     {ESHUTDOWN, 108},
                                                     {EIO, 5},
                                                     {EOPNOTSUPP, 5},
                                                     {ENOMEM, 5},
                                                     {ENODEV, 5},
                                                     {EREMOTEIO, 5},
                                                     {ETIMEDOUT, 5},
                                                     {0x7fffffff, 5}};
    for (const auto& [error, expected] : rows) {
        EXPECT_EQ(static_cast<unsigned>(nbd::refusal_for(error).error), expected) << error;
    }
}

TEST(ReplyQueue, SendsEveryByteOnceWhateverTheSocketTakes) {
    for (const std::size_t piece : {1ul, 15ul, 16ul, 17ul, 100ul, 5000ul}) {
        SCOPED_TRACE(piece);
        test::MemoryPool pool;
        nbd::Session with = session();
        nbd::ReplyQueue queue;
        Octets expected;
        Octets sent;
        nbd::ReplyQueue::Credit credit;
        std::array<iovec, 8> pieces{};
        const auto send_some = [&] {
            std::size_t room = piece;
            for (const iovec& part : queue.gather(pieces)) {
                const std::size_t count = std::min(part.iov_len, room);
                const auto* from = static_cast<const std::uint8_t*>(part.iov_base);
                sent.insert(sent.end(), from, from + count);
                room -= count;
            }
            const auto more = queue.sent(piece - room);
            credit.requests += more.requests;
            credit.bytes += more.bytes;
        };
        for (unsigned i = 0; i < 600; ++i) {
            nbd::Reply reply = nbd::success(request(kWrite, 0, 0, 512), with);
            if (i % 3 == 0) {
                io::Slice data = pool.allocate_slice(100 + i);
                std::fill(data.bytes().begin(), data.bytes().end(), static_cast<std::uint8_t>(i));
                reply = nbd::read_data(request(kRead, 0, i, 0), with, data);
            }
            reply.requests_charged = 1;
            reply.bytes_charged = i;
            append(expected, wire(reply));
            queue.push(std::move(reply));
            send_some();
        }
        while (!queue.empty()) {
            send_some();
        }
        EXPECT_EQ(sent, expected);
        EXPECT_EQ(credit.requests, 600u);
        EXPECT_EQ(credit.bytes, 600u * 599 / 2);
        EXPECT_EQ(pool.outstanding(), 0u);
    }
}

}  // namespace
