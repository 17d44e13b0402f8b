#include "heartbeat/runtime/source_filter.h"

#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <cstring>
#include <linux/filter.h>

namespace hb {

namespace {

constexpr std::uint32_t kSource4 = 12;  // in the IP header
constexpr std::uint32_t kSource6 = 8;
constexpr std::size_t kWords = 4;  // of an IPv6 address
constexpr std::uint32_t kWhole = 0xffffffff;

std::uint32_t in_ip_header(std::uint32_t offset) {
    return static_cast<std::uint32_t>(SKF_NET_OFF) + offset;
}

std::array<std::uint32_t, kWords> host_words(const SourceAddress& address) {
    std::array<std::uint32_t, kWords> words{};
    std::memcpy(words.data(), &address, sizeof words);
    for (std::uint32_t& word : words) {
        word = ntohl(word);
    }
    return words;
}

sock_filter load(std::uint32_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, in_ip_header(offset));
}

sock_filter if_equal(std::uint32_t value, std::uint8_t then_skip, std::uint8_t else_skip) {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then_skip, else_skip);
}

sock_filter taken(std::uint32_t bytes) {
    return BPF_STMT(BPF_RET | BPF_K, bytes);
}

// Each address is a piece that takes the datagram in, or goes on with the next.
void add_piece(std::vector<sock_filter>& program, bool v6, const SourceAddress& address) {
    const auto words = host_words(address);
    if (!v6) {
        program.push_back(load(kSource4));
        program.push_back(if_equal(words.back(), 0, 1));
        program.push_back(taken(kWhole));
        return;
    }
    for (std::size_t i = 0; i < kWords; ++i) {
        const auto rest = static_cast<std::uint8_t>(2 * (kWords - 1 - i) + 1);
        program.push_back(load(kSource6 + static_cast<std::uint32_t>(i * sizeof words[i])));
        program.push_back(if_equal(words[i], 0, rest));
    }
    program.push_back(taken(kWhole));
}

}  // namespace

SourceAddress source_of(const sockaddr_storage& address) {
    SourceAddress source{};
    if (address.ss_family == AF_INET6) {
        source = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    } else if (address.ss_family == AF_INET) {
        const in_addr& v4 = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
        std::memcpy(&source.s6_addr[sizeof source - sizeof v4], &v4, sizeof v4);
    }
    return source;
}

bool filter_sources(int socket, bool v6, const std::vector<SourceAddress>& only) {
    if (only.empty()) {
        const int none = 0;
        return ::setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none) == 0;
    }
    std::vector<sock_filter> program;
    for (const SourceAddress& address : only) {
        add_piece(program, v6, address);
    }
    program.push_back(taken(0));
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

}  // namespace hb
