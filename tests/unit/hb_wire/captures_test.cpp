// Whatever a real node has sent decodes, is found genuine, and is written again byte for byte.
#include "tests/unit/hb_wire/captures.h"

#include "heartbeat/wire/digest.h"
#include "heartbeat/wire/message.h"
#include "heartbeat/wire/text_framer.h"

#include <gtest/gtest.h>

namespace {

using hb::wire::Message;

TEST(Captures, EveryDatagramIsReadAndWrittenAgain) {
    for (const test::Capture& capture : test::captures()) {
        const config::Authkeys keys = test::authkeys(capture.key);
        const auto datagrams = test::payloads(capture.file);
        EXPECT_EQ(datagrams.size(), capture.messages) << capture.file;
        for (const std::string& datagram : datagrams) {
            const auto message = hb::wire::decode(datagram, keys);
            ASSERT_TRUE(message) << capture.file << ": " << message.error().text;
            // Both digests are made anew here; that of the inner field is nowhere else checked.
            EXPECT_EQ(encode_netstring(*message, keys, capture.inner_auth), datagram)
                << capture.file;
        }
    }
}

TEST(Captures, EveryMessageSurvivesTheTextForm) {
    for (const test::Capture& capture : test::captures()) {
        const config::Authkeys keys = test::authkeys(capture.key);
        for (const std::string& datagram : test::payloads(capture.file)) {
            const auto message = hb::wire::decode(datagram, keys);
            ASSERT_TRUE(message);
            const auto again = hb::wire::decode(encode_text(*message, keys), keys);
            ASSERT_TRUE(again) << again.error().text;
            EXPECT_EQ(*again, *message);
        }
    }
}

TEST(Captures, TheSerialLineIsReadAndWrittenAgain) {
    const config::Authkeys keys = test::authkeys(test::sha1_key());
    const std::string line = test::read_vector("serial-icmp/serial.bin");
    hb::wire::TextFramer framer;
    std::string again;
    std::size_t count = 0;
    for (std::size_t at = 0; at < line.size(); at += 7) {
        for (const std::string& block : framer.feed(std::string_view(line).substr(at, 7))) {
            const auto message = hb::wire::decode(block, keys);
            ASSERT_TRUE(message) << message.error().text;
            EXPECT_EQ(message->get("srcuuid").size(), 16u);
            again += encode_text(*message, keys);
            ++count;
        }
    }
    EXPECT_EQ(count, 17u);
    EXPECT_EQ(again, line);
    EXPECT_EQ(framer.discarded_bytes(), 0u);
}

TEST(Captures, ADatagramWithAnyByteChangedIsRefused) {
    for (const test::Capture& capture : test::captures()) {
        const config::Authkeys keys = test::authkeys(capture.key);
        const std::string datagram = test::payloads(capture.file).front();
        for (std::size_t at = 0; at < datagram.size(); ++at) {
            std::string forged = datagram;
            forged[at] = static_cast<char>(forged[at] ^ 1);
            const auto message = hb::wire::decode(forged, keys);
            EXPECT_FALSE(message) << capture.file << " byte " << at;
        }
    }
}

TEST(Captures, ACutDatagramIsRefused) {
    const config::Authkeys keys = test::authkeys(test::sha1_key());
    const std::string datagram = test::payloads("bcast/hb-eth1.pcap").front();
    for (std::size_t length = 0; length < datagram.size(); ++length) {
        EXPECT_FALSE(hb::wire::decode(datagram.substr(0, length), keys)) << length;
    }
    EXPECT_TRUE(hb::wire::decode(datagram + std::string(3, '\0'), keys));
    EXPECT_FALSE(hb::wire::decode(datagram + "x", keys));
}

}  // namespace
