#include "tests/unit/hb_engine/replay.h"

#include "config/ha/authkeys.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace test {

namespace {

constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kRecordHeader = 16;
constexpr std::size_t kHeaders = 42;  // Ethernet, IPv4 without options, UDP

std::string read_file(const std::string& name) {
    std::ifstream file(std::string(DRBDD_SOURCE_DIR) + "/tests/vectors/heartbeat/" + name,
                       std::ios::binary);
    EXPECT_TRUE(file) << name;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

std::uint32_t little(const std::string& data, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i > 0; --i) {
        value = value << 8 | static_cast<unsigned char>(data[at + i - 1]);
    }
    return value;
}

unsigned big16(std::string_view data, std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(data[at])) << 8 |
           static_cast<unsigned char>(data[at + 1]);
}

bool is_heartbeat(std::string_view frame) {
    return frame.size() > kHeaders && big16(frame, 12) == 0x0800 && frame[23] == 17 &&
           big16(frame, 36) == 694;
}

}  // namespace

std::vector<Recorded> read_capture(const std::string& directory) {
    const std::string data = read_file(directory + "/hb-eth1.pcap");
    const auto keys =
        config::parse_authkeys("authkeys", read_file(directory + "/node-a.authkeys"), 0600);
    EXPECT_TRUE(keys.ok());
    std::vector<Recorded> list;
    std::int64_t first_us = -1;
    for (std::size_t at = kFileHeader; at + kRecordHeader <= data.size();) {
        const std::int64_t us = std::int64_t{little(data, at)} * 1'000'000 + little(data, at + 4);
        const std::size_t length = little(data, at + 8);
        const std::string_view frame = std::string_view(data).substr(at + kRecordHeader, length);
        at += kRecordHeader + length;
        if (!is_heartbeat(frame)) {
            continue;
        }
        const std::size_t end = 14 + big16(frame, 16);
        const auto message = hb::wire::decode(frame.substr(kHeaders, end - kHeaders), keys.value);
        EXPECT_TRUE(message) << message.error().text;
        first_us = first_us < 0 ? us : first_us;
        list.push_back(Recorded{hb::Time{(us - first_us) / 1000}, message.value()});
    }
    EXPECT_FALSE(list.empty());
    return list;
}

}  // namespace test
