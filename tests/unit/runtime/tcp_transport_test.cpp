#include "drbdd/runtime/tcp_transport.h"

#include "drbdd/runtime/buffer_pool.h"
#include "proto/packets.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

namespace runtime {
namespace {

using namespace std::chrono_literals;

class Events : public EventSink {
public:
    void on_event(engine::Event event) override { list.push_back(std::move(event)); }

    template <typename T>
    const T* find() const {
        for (const engine::Event& event : list) {
            if (const T* found = std::get_if<T>(&event)) {
                return found;
            }
        }
        return nullptr;
    }

    template <typename T>
    std::vector<const T*> all() const {
        std::vector<const T*> found;
        for (const engine::Event& event : list) {
            if (const T* one = std::get_if<T>(&event)) {
                found.push_back(one);
            }
        }
        return found;
    }

    std::vector<engine::Event> list;
};

std::uint16_t free_port() {
    boost::asio::io_context context;
    const boost::asio::ip::tcp::acceptor acceptor(context,
                                                  {boost::asio::ip::make_address("127.0.0.1"), 0});
    return acceptor.local_endpoint().port();
}

engine::Send packet(engine::SocketId socket, proto::Command command) {
    proto::Header header;
    header.command = static_cast<std::uint16_t>(command);
    engine::Send send;
    send.socket = socket;
    send.head.resize(proto::kHeader100Size);
    proto::encode(header, send.head);
    return send;
}

engine::Send data_packet(engine::SocketId socket, const io::Slice& payload) {
    proto::Header header;
    header.command = static_cast<std::uint16_t>(proto::Command::Data);
    header.length = static_cast<std::uint32_t>(proto::Data::kSize + payload.length);
    proto::Data data;
    engine::Send send;
    send.socket = socket;
    send.head.resize(proto::kHeader100Size + proto::Data::kSize);
    proto::encode(header, base::Bytes(send.head).first(proto::kHeader100Size));
    proto::encode(data, base::Bytes(send.head).subspan(proto::kHeader100Size));
    send.payload = payload;
    return send;
}

class TcpTransportTest : public ::testing::Test {
protected:
    // Runs the loop until `done`, or for five seconds: then the test has failed.
    void run_until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (!done()) {
            ASSERT_LT(std::chrono::steady_clock::now(), end) << "nothing happens";
            context_.restart();
            context_.run_one_for(100ms);
            alice_.flush();
            bob_.flush();
        }
    }

    // Alice connects; the id of the connection at Bob's.
    engine::SocketId connect() {
        bob_.start_listening();
        alice_.connect(kSocket);
        run_until([&] {
            return at_alice_.find<engine::SocketConnected>() != nullptr &&
                   at_bob_.find<engine::SocketAccepted>() != nullptr;
        });
        return at_bob_.find<engine::SocketAccepted>()->socket;
    }

    io::Slice numbered(std::size_t bytes) {
        const io::Slice slice = pool_.allocate_slice(bytes);
        std::iota(slice.bytes().begin(), slice.bytes().end(), std::uint8_t{0});
        return slice;
    }

    std::size_t arrived() const { return at_bob_.all<engine::PacketArrived>().size(); }

    static constexpr engine::SocketId kSocket{1};

    config::Address alice_address_{config::AddressFamily::Ipv4, "127.0.0.1", free_port()};
    config::Address bob_address_{config::AddressFamily::Ipv4, "127.0.0.2", alice_address_.port};
    RingBufferPool pool_;
    boost::asio::io_context context_{1};
    Events at_alice_;
    Events at_bob_;
    TcpTransport alice_{context_, pool_, at_alice_, {alice_address_, bob_address_, 0, 0}};
    TcpTransport bob_{context_, pool_, at_bob_, {bob_address_, alice_address_, 0, 0}};
};

TEST_F(TcpTransportTest, CarriesPacketsWithAndWithoutPayload) {
    const engine::SocketId accepted = connect();
    EXPECT_NE(accepted.value & engine::kAcceptedSocket, 0u);
    const io::Slice payload = numbered(1u << 20);
    alice_.send(packet(kSocket, proto::Command::Ping));
    alice_.send(data_packet(kSocket, payload));
    alice_.send(data_packet(kSocket, payload.part(0, 512)));
    alice_.send(packet(kSocket, proto::Command::PingAck));
    run_until([&] { return arrived() == 4; });
    const auto packets = at_bob_.all<engine::PacketArrived>();
    EXPECT_EQ(packets[0]->packet.header.command, 0x13);
    const base::Bytes large = packets[1]->packet.payload.bytes();
    EXPECT_TRUE(
        std::equal(large.begin(), large.end(), payload.bytes().begin(), payload.bytes().end()));
    EXPECT_EQ(packets[2]->packet.payload.length, 512u);
    EXPECT_EQ(packets[3]->packet.header.command, 0x14);
    EXPECT_EQ(at_alice_.all<engine::SocketWritten>().back()->bytes_total,
              2 * 16 + 2 * (16 + proto::Data::kSize) + (1u << 20) + 512);
}

TEST_F(TcpTransportTest, KeepsTheOrderOfManyPacketsThatDoNotFitTheSocket) {
    connect();
    const io::Slice payload = numbered(65536);
    constexpr std::size_t kPackets = 400;  // 25 MiB
    for (std::size_t count = 0; count < kPackets; ++count) {
        alice_.send(data_packet(kSocket, payload.part(0, 512 + 512 * (count % 127))));
    }
    run_until([&] { return arrived() == kPackets; });
    const auto packets = at_bob_.all<engine::PacketArrived>();
    for (std::size_t count = 0; count < kPackets; ++count) {
        ASSERT_EQ(packets[count]->packet.payload.length, 512 + 512 * (count % 127));
        ASSERT_EQ(packets[count]->packet.payload.bytes().back(), 255);
    }
}

TEST_F(TcpTransportTest, TellsTheEndOfTheOtherSide) {
    const engine::SocketId accepted = connect();
    bob_.close(accepted, false);
    run_until([&] { return at_alice_.find<engine::SocketClosed>() != nullptr; });
    EXPECT_EQ(at_alice_.find<engine::SocketClosed>()->error, 0);
    EXPECT_EQ(at_bob_.find<engine::SocketClosed>(), nullptr);
}

TEST_F(TcpTransportTest, LetsQueuedBytesOutBeforeItCloses) {
    const engine::SocketId accepted = connect();
    bob_.send(packet(accepted, proto::Command::Ping));  // unread at Alice's when she closes
    bob_.flush();
    const io::Slice payload = numbered(1u << 20);
    for (int count = 0; count < 16; ++count) {
        alice_.send(data_packet(kSocket, payload));
    }
    alice_.close(kSocket, true);
    run_until([&] { return at_bob_.find<engine::SocketClosed>() != nullptr; });
    EXPECT_EQ(arrived(), 16u);
    EXPECT_EQ(at_bob_.find<engine::SocketClosed>()->error, 0);
    EXPECT_EQ(at_alice_.find<engine::SocketClosed>(), nullptr);
}

TEST_F(TcpTransportTest, StopsReadingAStreamThatIsNoPackets) {
    const engine::SocketId accepted = connect();
    engine::Send garbage;
    garbage.socket = kSocket;
    garbage.head.assign(1000, 0x55);
    alice_.send(std::move(garbage));
    run_until([&] { return at_bob_.find<engine::StreamBroken>() != nullptr; });
    EXPECT_EQ(at_bob_.find<engine::StreamBroken>()->socket, accepted);
    bob_.pause_reading(accepted, false);
    bob_.close(accepted, false);
    run_until([&] { return at_alice_.find<engine::SocketClosed>() != nullptr; });
    EXPECT_EQ(at_bob_.all<engine::StreamBroken>().size(), 1u);
}

TEST_F(TcpTransportTest, ReadsNothingWhilePaused) {
    const engine::SocketId accepted = connect();
    bob_.pause_reading(accepted, true);
    const io::Slice payload = numbered(1u << 20);
    for (int count = 0; count < 64; ++count) {  // more than both socket buffers hold
        alice_.send(data_packet(kSocket, payload));
    }
    alice_.flush();
    context_.restart();
    context_.poll();
    EXPECT_LE(arrived(), 1u);  // what was under way when it was paused
    bob_.pause_reading(accepted, false);
    run_until([&] { return arrived() == 64; });
}

TEST_F(TcpTransportTest, TellsThatNobodyListens) {
    alice_.connect(kSocket);
    run_until([&] { return at_alice_.find<engine::SocketClosed>() != nullptr; });
    EXPECT_EQ(at_alice_.find<engine::SocketClosed>()->error, ECONNREFUSED);
}

TEST_F(TcpTransportTest, AcceptsNobodyAfterItStoppedListening) {
    bob_.start_listening();
    bob_.stop_listening();
    alice_.connect(kSocket);
    run_until([&] { return at_alice_.find<engine::SocketClosed>() != nullptr; });
    EXPECT_TRUE(at_bob_.list.empty());
}

TEST_F(TcpTransportTest, SaysWhyItCannotListen) {
    bob_.start_listening();
    Events at_carol;
    TcpTransport carol(context_, pool_, at_carol, {bob_address_, alice_address_, 0, 0});
    carol.start_listening();
    ASSERT_NE(at_carol.find<engine::ListenFailed>(), nullptr);
    EXPECT_NE(at_carol.find<engine::ListenFailed>()->text.find("cannot listen on ipv4:127.0.0.2"),
              std::string::npos);
    config::Address foreign = bob_address_;
    foreign.ip = "192.0.2.1";
    carol.change_settings({foreign, alice_address_, 0, 0});
    carol.start_listening();
    ASSERT_EQ(at_carol.all<engine::ListenFailed>().size(), 2u);
    EXPECT_FALSE(at_carol.all<engine::ListenFailed>()[0]->may_pass);
    EXPECT_TRUE(at_carol.all<engine::ListenFailed>()[1]->may_pass);
    carol.connect(kSocket);
    ASSERT_NE(at_carol.find<engine::SocketClosed>(), nullptr);
    EXPECT_EQ(at_carol.find<engine::SocketClosed>()->error, EADDRNOTAVAIL);
}

TEST_F(TcpTransportTest, KeepsStrangersOutWhenTooManyAreWaiting) {
    bob_.start_listening();
    for (std::uint32_t id = 1; id <= 20; ++id) {
        alice_.connect({id});
        run_until([&] { return at_alice_.all<engine::SocketConnected>().size() == id; });
    }
    run_until([&] { return at_alice_.all<engine::SocketClosed>().size() == 4; });
    EXPECT_EQ(at_bob_.all<engine::SocketAccepted>().size(), 16u);
}

}  // namespace
}  // namespace runtime
