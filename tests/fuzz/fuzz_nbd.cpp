// The input is what an NBD client sends, from its flags on; its first byte says into what pieces
// the stream is cut. Nobody may read or write outside the buffers, what is refused keeps the stream
// in step, and whatever the pieces, the answers are the same.
#include "nbd-backend/handshake.h"
#include "nbd-backend/reply.h"
#include "nbd-backend/request_reader.h"
#include "tests/unit/nbd/memory_device.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

class Host : public nbd::ExportHost {
public:
    nbd::Export describe() override {
        return {.name = "drbd0", .size_bytes = 1 << 20, .has_bitmap = true};
    }

    base::Result<void> probe() override { return {}; }

    base::Result<void> open() override {
        REQUIRE(++opens_ == 1);
        return {};
    }

    int opens() const { return opens_; }

private:
    int opens_ = 0;
};

void append(std::vector<std::uint8_t>& to, base::ConstBytes bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

// As the connection does, with the request answered at once.
nbd::Reply answer(const nbd::Incoming& incoming,
                  const nbd::Session& session,
                  io::BufferPool& pool) {
    const nbd::Request& request = incoming.request;
    if (incoming.refusal) {
        return failure(request, session, incoming.refusal);
    }
    if (request.command() == nbd::Command::BlockStatus) {
        REQUIRE(request.length > 0);
        return block_status(request,
                            session,
                            {{request.length, nbd::kHole | nbd::kReadsAsZero}},
                            {{request.length, nbd::kOutOfSync}},
                            pool);
    }
    if (request.command() == nbd::Command::Write) {
        REQUIRE(incoming.payload.length == request.length);
        return read_data(
            request, session, incoming.payload);  // so that the payload is compared too
    }
    REQUIRE(request.command() == nbd::Command::Flush ||
            request.length <= session.volume.size_bytes);
    return success(request, session);
}

std::size_t fill(nbd::RequestReader& reader, base::ConstBytes from) {
    std::size_t count = 0;
    for (const iovec& space : reader.space()) {
        REQUIRE(space.iov_len > 0);
        const std::size_t part = std::min(space.iov_len, from.size() - count);
        std::memcpy(space.iov_base, from.data() + count, part);
        count += part;
    }
    reader.received(count);
    return count;
}

// Everything that the server sends.
std::vector<std::uint8_t> serve(base::ConstBytes stream, std::size_t piece) {
    Host host;
    test::MemoryPool pool;
    nbd::Handshake handshake(host);
    while (handshake.phase() == nbd::Handshake::Phase::Negotiating && !stream.empty()) {
        stream = stream.subspan(handshake.feed(stream.first(std::min(piece, stream.size()))));
    }
    std::vector<std::uint8_t> output = handshake.output();
    if (handshake.phase() != nbd::Handshake::Phase::Transmission) {
        return output;
    }
    nbd::RequestReader reader(handshake.session(), pool);
    for (;;) {
        nbd::Incoming incoming;
        const auto step = reader.next(incoming);
        if (step == nbd::RequestReader::Step::Request) {
            if (incoming.request.command() == nbd::Command::Disconnect && !incoming.refusal) {
                return output;
            }
            const nbd::Reply reply = answer(incoming, handshake.session(), pool);
            append(output, base::ConstBytes(reply.head).first(reply.head_length));
            append(output, reply.data.bytes());
        } else if (step != nbd::RequestReader::Step::NeedsBytes || stream.empty()) {
            return output;
        } else {
            stream = stream.subspan(fill(reader, stream.first(std::min(piece, stream.size()))));
        }
    }
}

// Whoever has to use TLS gets nowhere without it.
void knock(base::ConstBytes stream) {
    Host host;
    nbd::Handshake handshake(host, nbd::TlsUse::Required);
    handshake.feed(stream);
    REQUIRE(handshake.phase() != nbd::Handshake::Phase::Transmission && host.opens() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const base::ConstBytes stream(data + 1, size - 1);
    REQUIRE(serve(stream, std::size_t{data[0]} + 1) ==
            serve(stream, std::max<std::size_t>(size, 1)));
    knock(stream);
    return 0;
}
