#include "tests/unit/hb_wire/captures.h"

#include "base/bytes.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace test {
namespace {

using base::get_be16;

constexpr std::size_t kEthernet = 14;

base::ConstBytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::uint32_t get_le32(base::ConstBytes in, std::size_t offset) {
    return __builtin_bswap32(base::get_be32(in, offset));
}

// Empty for frames of other kinds. Headers are of the lengths that these captures have.
std::string payload_of(base::ConstBytes frame) {
    if (frame.size() < kEthernet + 28 || get_be16(frame, 12) != 0x0800) {
        return {};
    }
    const base::ConstBytes ip = frame.subspan(kEthernet, get_be16(frame, kEthernet + 2));
    const bool heartbeat = ip[9] == 17 && get_be16(ip, 22) == 694;
    const bool echo = ip[9] == 1;
    if (!heartbeat && !echo) {
        return {};
    }
    return {ip.begin() + 28, ip.end()};
}

}  // namespace

const std::vector<Capture>& captures() {
    using config::AuthMethod;
    static const config::AuthKey crc{2, AuthMethod::Crc, ""};
    static const config::AuthKey md5{3, AuthMethod::Md5, "Hello!"};
    static const std::vector<Capture> all{
        {"bcast/hb-eth1.pcap", sha1_key(), true, 90},
        {"classic-crc-partition/hb-eth1.pcap", crc, true, 262},
        {"classic-md5-failback-off/hb-eth1.pcap", md5, true, 438},
        {"classic-sha1-failback-on/hb-eth1.pcap", sha1_key(), true, 459},
        {"ipfail/hb-eth1.pcap", sha1_key(), true, 236},
        {"ipfail/lan.pcap", sha1_key(), true, 214},
        {"lone-start/hb-eth1.pcap", crc, true, 161},
        {"mcast/hb-eth1.pcap", sha1_key(), true, 91},
        {"netstring-md5/hb-eth1.pcap", md5, false, 173},
        {"serial-icmp/icmp.pcap", sha1_key(), true, 6},
    };
    return all;
}

config::Authkeys authkeys(config::AuthKey key) {
    return {key.index, {std::move(key)}};
}

config::AuthKey sha1_key() {
    return {1, config::AuthMethod::Sha1, "47e9336850f1db6fa58bc470bc9b7810eb397f04"};
}

std::string read_vector(const std::string& file) {
    std::ifstream in(DRBDD_SOURCE_DIR "/tests/vectors/heartbeat/" + file, std::ios::binary);
    if (!in) {
        throw std::runtime_error(file + " cannot be read");
    }
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> payloads(const std::string& file) {
    const std::string capture = read_vector(file);
    std::vector<std::string> out;
    for (base::ConstBytes rest = bytes_of(capture).subspan(24); !rest.empty();) {
        const std::uint32_t length = get_le32(rest, 8);
        if (std::string payload = payload_of(rest.subspan(16, length)); !payload.empty()) {
            out.push_back(std::move(payload));
        }
        rest = rest.subspan(16 + length);
    }
    return out;
}

}  // namespace test
