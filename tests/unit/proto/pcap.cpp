#include "tests/unit/proto/pcap.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <lzma.h>
#include <map>
#include <optional>

namespace test {
namespace {

using base::get_be16;
using base::get_be32;

base::Error broken(const std::string& what) {
    return {base::ErrorCode::Invalid, what};
}

// Files of a capture are in the byte order of the machine that wrote them, which was little endian.
std::uint32_t get_le32(base::ConstBytes in, std::size_t offset) {
    return __builtin_bswap32(get_be32(in, offset));
}

struct Endpoint {
    std::uint32_t address;
    std::uint16_t port;
    auto operator<=>(const Endpoint&) const = default;
};

std::string text_of(const Endpoint& endpoint) {
    std::string out;
    for (const int shift : {24, 16, 8, 0}) {
        out += std::to_string(endpoint.address >> shift & 0xff) + (shift == 0 ? ":" : ".");
    }
    return out + std::to_string(endpoint.port);
}

struct Flow {
    Endpoint from;
    Endpoint to;

    Flow reversed() const { return {to, from}; }

    auto operator<=>(const Flow&) const = default;
};

constexpr std::uint8_t kSyn = 2;
constexpr std::uint8_t kAck = 16;

struct Segment {
    Flow flow;
    std::uint32_t sequence;
    std::uint8_t flags;
    base::ConstBytes payload;
};

// Nothing for frames that are not TCP over IPv4.
std::optional<Segment> parse_frame(base::ConstBytes frame) {
    constexpr std::size_t ethernet = 14;
    if (frame.size() < ethernet + 20 || get_be16(frame, 12) != 0x0800) {
        return std::nullopt;
    }
    base::ConstBytes ip = frame.subspan(ethernet);
    const std::size_t ip_header = (ip[0] & 15u) * 4u;
    const std::size_t total = get_be16(ip, 2);
    if (total != 0 && total < ip.size()) {
        ip = ip.first(total);  // Ethernet pads short frames
    }
    if (ip[9] != 6 || ip.size() < ip_header + 20) {
        return std::nullopt;
    }
    const base::ConstBytes tcp = ip.subspan(ip_header);
    const std::size_t tcp_header = (tcp[12] >> 4) * 4u;
    if (tcp.size() < tcp_header) {
        return std::nullopt;
    }
    return Segment{
        .flow = {{get_be32(ip, 12), get_be16(tcp, 0)}, {get_be32(ip, 16), get_be16(tcp, 2)}},
        .sequence = get_be32(tcp, 4),
        .flags = tcp[13],
        .payload = tcp.subspan(tcp_header)};
}

// Puts the segments of one stream in order.
class Reassembly {
public:
    Reassembly(std::size_t stream, std::uint32_t first_sequence)
        : stream_(stream), first_sequence_(first_sequence) {}

    std::size_t stream() const { return stream_; }

    std::uint32_t first_sequence() const { return first_sequence_; }

    void add(std::uint32_t sequence, base::ConstBytes payload, std::vector<std::uint8_t>& bytes) {
        // Sequence numbers wrap; segments are never 2 GiB away from what is expected.
        const auto expected = first_sequence_ + static_cast<std::uint32_t>(bytes.size());
        const std::int64_t offset = static_cast<std::int64_t>(bytes.size()) +
                                    static_cast<std::int32_t>(sequence - expected);
        pending_.emplace(offset, payload);
        for (auto it = pending_.begin(); it != pending_.end();) {
            const std::int64_t known = static_cast<std::int64_t>(bytes.size()) - it->first;
            if (known < 0) {
                break;
            }
            const auto skip = std::min(static_cast<std::size_t>(known), it->second.size());
            bytes.insert(bytes.end(),
                         it->second.begin() + static_cast<std::ptrdiff_t>(skip),
                         it->second.end());
            it = pending_.erase(it);
        }
    }

private:
    std::size_t stream_;
    std::uint32_t first_sequence_;
    std::multimap<std::int64_t, base::ConstBytes> pending_;
};

class Assembler {
public:
    void add(const Segment& segment) {
        const bool opens = (segment.flags & kSyn) != 0;
        if (opens && (segment.flags & kAck) == 0 && !is_repeated_syn(segment)) {
            open_.erase(segment.flow);
            open_.erase(segment.flow.reversed());
        }
        auto it = open_.find(segment.flow);
        if (it == open_.end()) {
            const std::uint32_t first = segment.sequence + (opens ? 1 : 0);
            it = open_.emplace(segment.flow, Reassembly(streams_.size(), first)).first;
            streams_.push_back({text_of(segment.flow.from) + " > " + text_of(segment.flow.to), {}});
        }
        if (!segment.payload.empty()) {
            it->second.add(segment.sequence, segment.payload, streams_[it->second.stream()].bytes);
        }
    }

    std::vector<TcpStream> streams() && { return std::move(streams_); }

private:
    bool is_repeated_syn(const Segment& segment) const {
        const auto it = open_.find(segment.flow);
        return it != open_.end() && it->second.first_sequence() == segment.sequence + 1;
    }

    std::vector<TcpStream> streams_;
    std::map<Flow, Reassembly> open_;
};

}  // namespace

base::Result<std::vector<std::uint8_t>> read_xz(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> packed{std::istreambuf_iterator<char>(file), {}};
    if (packed.empty()) {
        return broken(path + " cannot be read");
    }
    lzma_stream decoder = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&decoder, UINT64_MAX, 0) != LZMA_OK) {
        return broken("no memory for the xz decoder");
    }
    decoder.next_in = reinterpret_cast<const std::uint8_t*>(packed.data());
    decoder.avail_in = packed.size();
    std::vector<std::uint8_t> out;
    std::vector<std::uint8_t> piece(1 << 20);
    lzma_ret result = LZMA_OK;
    while (result == LZMA_OK) {
        decoder.next_out = piece.data();
        decoder.avail_out = piece.size();
        result = lzma_code(&decoder, LZMA_FINISH);
        out.insert(out.end(), piece.data(), decoder.next_out);
    }
    lzma_end(&decoder);
    if (result != LZMA_STREAM_END) {
        return broken(path + " is not a whole xz file");
    }
    return out;
}

base::Result<std::vector<TcpStream>> tcp_streams(base::ConstBytes pcap) {
    constexpr std::uint32_t microseconds = 0xa1b2c3d4;
    constexpr std::uint32_t nanoseconds = 0xa1b23c4d;
    constexpr std::uint32_t ethernet = 1;
    if (pcap.size() < 24 || get_le32(pcap, 20) != ethernet ||
        (get_le32(pcap, 0) != microseconds && get_le32(pcap, 0) != nanoseconds)) {
        return broken("not a little-endian pcap of Ethernet frames");
    }
    Assembler assembler;
    for (base::ConstBytes rest = pcap.subspan(24); !rest.empty();) {
        if (rest.size() < 16 || rest.size() - 16 < get_le32(rest, 8)) {
            return broken("the capture ends within a frame");
        }
        const std::uint32_t length = get_le32(rest, 8);
        if (const auto segment = parse_frame(rest.subspan(16, length))) {
            assembler.add(*segment);
        }
        rest = rest.subspan(16 + length);
    }
    return std::move(assembler).streams();
}

}  // namespace test
