// The exchange of the wire specification, section 11, byte for byte.
#include "proto/bitmap_code.h"
#include "proto/packets.h"
#include "tests/unit/proto/hex.h"
#include "tests/unit/proto/run_bits.h"

#include <gtest/gtest.h>

#include <string>

namespace {

using proto::Command;
using proto::Header;
using proto::HeaderKind;
using test::bytes;
using test::encoded;
using test::hex;

std::string with_header(HeaderKind kind, Command command, const test::ByteVector& body) {
    const Header header{.kind = kind,
                        .command = static_cast<std::uint16_t>(command),
                        .length = static_cast<std::uint32_t>(body.size())};
    return hex(encoded(header, proto::header_size(kind))) + hex(body);
}

std::string with_header(Command command, const test::ByteVector& body) {
    return with_header(HeaderKind::H100, command, body);
}

template <typename Packet>
std::string packet(Command command, const Packet& value) {
    return with_header(command, encoded(value, Packet::kSize));
}

std::string h100(const std::string& command, const std::string& length) {
    return "8620ec20"
           "0000" +
           command + length + "00000000";
}

TEST(WorkedExample, ConnectionSetup) {
    EXPECT_EQ(with_header(HeaderKind::H80, Command::InitialData, {}), "83740267fff20000");
    EXPECT_EQ(with_header(HeaderKind::H80, Command::InitialMeta, {}), "83740267fff10000");

    const proto::ConnectionFeatures features{
        .protocol_min = 86, .feature_flags = 0xf, .protocol_max = 101};
    EXPECT_EQ(with_header(
                  HeaderKind::H80, Command::ConnectionFeatures, encoded(features, features.kSize)),
              "83740267fffe0048"
              "000000560000000f00000065" +
                  std::string(120, '0'));

    const proto::Protocol protocol;
    EXPECT_EQ(with_header(Command::Protocol, encoded(protocol, protocol.size())),
              h100("000b", "00000019") + "00000003" + std::string(40, '0') + "00");
}

TEST(WorkedExample, SettingsAndStatesOfBothNodes) {
    EXPECT_EQ(packet(Command::SyncParam89, proto::SyncParam89{}).substr(0, 40),
              h100("0023", "00000094") + "000000fa");
    const proto::Sizes sizes{.d_size = 32768};
    EXPECT_EQ(with_header(Command::Sizes, encoded(sizes, sizes.size())).substr(0, 48),
              h100("000d", "00000038") + "0000000000008000");

    const proto::Uuids primary{.current = 0x1111111111111111, .bitmap = 4, .dirty_bits = 0x1000};
    EXPECT_EQ(packet(Command::Uuids, primary),
              h100("000c", "00000030") +
                  "1111111111111111"
                  "0000000000000004" +
                  std::string(32, '0') +
                  "0000000000001000"
                  "0000000000000000");
    EXPECT_EQ(packet(Command::Uuids, proto::Uuids{.current = 4}),
              h100("000c", "00000030") + "0000000000000004" + std::string(80, '0'));

    EXPECT_EQ(packet(Command::State, proto::State{0x0000d081}),
              h100("000e", "00000004") + "0000d081");
}

TEST(WorkedExample, BitmapAndResync) {
    const test::Runs all{{0, 4096}};
    std::uint64_t position = 0;
    EXPECT_EQ(with_header(Command::CompressedBitmap,
                          proto::encode_bitmap_runs(test::source_of(all), 4096, position)),
              h100("0024", "00000004") + "b23fcf0e");

    const proto::BlockReq request{.sector = {2048}, .block_id = proto::kIdSyncer, .size = 1 << 20};
    EXPECT_EQ(packet(Command::RsDataRequest, request),
              h100("0009", "00000018") +
                  "0000000000000800"
                  "ffffffffffffffff"
                  "00100000"
                  "00000000");
    EXPECT_EQ(with_header(Command::Ping, {}), h100("0013", "00000000"));
    EXPECT_EQ(with_header(Command::PingAck, {}), h100("0014", "00000000"));
}

TEST(WorkedExample, AProtocolCWriteThenABarrier) {
    const std::string cookie = "c0c1c2c3c4c5c6c7";
    const std::uint64_t block_id = base::get_raw64(bytes(cookie), 0);

    const proto::Data data{.sector = {2048},
                           .block_id = block_id,
                           .sequence = 1,
                           .flags = proto::kDataFua | proto::kDataSendWriteAck};
    const Header header{.command = 0, .length = proto::Data::kSize + 4096};
    EXPECT_EQ(hex(encoded(header, proto::kHeader100Size)) + hex(encoded(data, data.kSize)),
              h100("0000", "00001018") + "0000000000000800" + cookie +
                  "00000001"
                  "00000110");

    const proto::BlockAck ack{.sector = {2048}, .block_id = block_id, .size = 4096, .sequence = 1};
    EXPECT_EQ(packet(Command::WriteAck, ack),
              h100("0016", "00000018") + "0000000000000800" + cookie +
                  "00001000"
                  "00000001");

    const std::uint32_t epoch = base::get_raw32(bytes("a1a2a3a4"), 0);
    EXPECT_EQ(packet(Command::Barrier, proto::Barrier{.number = epoch}),
              h100("0003", "00000008") +
                  "a1a2a3a4"
                  "00000000");
    EXPECT_EQ(packet(Command::BarrierAck, proto::BarrierAck{.number = epoch, .set_size = 1}),
              h100("001c", "00000008") +
                  "a1a2a3a4"
                  "00000001");
}

}  // namespace
