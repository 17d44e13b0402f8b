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
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <sys/stat.h>
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

TcpSettings between(const config::Address& local, const config::Address& peer) {
    TcpSettings settings;
    settings.local = local;
    settings.peer = peer;
    return settings;
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
    TcpTransport alice_{context_, pool_, at_alice_, between(alice_address_, bob_address_)};
    TcpTransport bob_{context_, pool_, at_bob_, between(bob_address_, alice_address_)};
};

// A connection to Bob from an address of the loopback device.
class Stranger {
public:
    Stranger(const config::Address& to, const char* from = "127.0.0.66") : socket_(context_) {
        socket_.open(boost::asio::ip::tcp::v4());
        socket_.bind({boost::asio::ip::make_address(from), 0});
        socket_.connect({boost::asio::ip::make_address(to.ip), to.port});
        socket_.non_blocking(true);
    }

    // Bob has closed it.
    bool ended() {
        char byte = 0;
        boost::system::error_code error;
        socket_.receive(boost::asio::buffer(&byte, 1), 0, error);
        return error && error != boost::asio::error::would_block;
    }

private:
    boost::asio::io_context context_;
    boost::asio::ip::tcp::socket socket_;
};

TEST_F(TcpTransportTest, TurnsStrangersAwayBeforeTheyCount) {
    std::vector<std::string> told;
    TcpSettings settings = between(bob_address_, alice_address_);
    settings.tell = [&told](const std::string& what) { told.push_back(what); };
    bob_.change_settings(settings);
    bob_.start_listening();
    std::vector<std::unique_ptr<Stranger>> strangers;
    for (int count = 0; count < 100; ++count) {
        strangers.push_back(std::make_unique<Stranger>(bob_address_));
    }
    run_until([&] { return strangers.back()->ended(); });
    EXPECT_EQ(at_bob_.find<engine::SocketAccepted>(), nullptr);
    alice_.connect(kSocket);
    run_until([&] { return at_bob_.find<engine::SocketAccepted>() != nullptr; });
    ASSERT_EQ(told.size(), 1u);  // of the first, and not again for a minute
    EXPECT_NE(told[0].find("127.0.0.66"), std::string::npos) << told[0];
}

TEST_F(TcpTransportTest, TakesAnyAddressWhereThePeersIsTranslated) {
    TcpSettings settings = between(bob_address_, alice_address_);
    settings.any_peer_address = true;
    bob_.change_settings(settings);
    bob_.start_listening();
    const Stranger translated(bob_address_);
    run_until([&] { return at_bob_.find<engine::SocketAccepted>() != nullptr; });
}

TEST_F(TcpTransportTest, WhoSaysNothingMakesRoom) {
    bob_.start_listening();
    std::vector<std::unique_ptr<Stranger>> silent;  // on the peer's machine
    for (int count = 0; count < 40; ++count) {
        silent.push_back(std::make_unique<Stranger>(bob_address_, "127.0.0.1"));
    }
    alice_.connect(kSocket);
    run_until([&] {
        return at_bob_.all<engine::SocketAccepted>().size() == 41 &&
               at_alice_.find<engine::SocketConnected>() != nullptr;
    });
    const engine::SocketId last = at_bob_.all<engine::SocketAccepted>().back()->socket;
    EXPECT_TRUE(silent.front()->ended());
    EXPECT_GE(at_bob_.all<engine::SocketClosed>().size(), 25u);  // the engine knows
    alice_.send(packet(kSocket, proto::Command::Ping));
    run_until([&] { return at_bob_.find<engine::PacketArrived>() != nullptr; });
    EXPECT_EQ(at_bob_.find<engine::PacketArrived>()->socket, last);
}

// What a handler leaves running must not keep the port.
TEST_F(TcpTransportTest, NoSocketIsInheritedByChildren) {
    connect();
    int sockets = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::stoi(entry.path().filename().string());

        struct stat info {};

        if (::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode)) {
            ++sockets;
            EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << fd;
        }
    }
    EXPECT_GE(sockets, 3);
}

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
    TcpTransport carol(context_, pool_, at_carol, between(bob_address_, alice_address_));
    carol.start_listening();
    ASSERT_NE(at_carol.find<engine::ListenFailed>(), nullptr);
    EXPECT_NE(at_carol.find<engine::ListenFailed>()->text.find("cannot listen on ipv4:127.0.0.2"),
              std::string::npos);
    config::Address foreign = bob_address_;
    foreign.ip = "192.0.2.1";
    carol.change_settings(between(foreign, alice_address_));
    carol.start_listening();
    ASSERT_EQ(at_carol.all<engine::ListenFailed>().size(), 2u);
    EXPECT_FALSE(at_carol.all<engine::ListenFailed>()[0]->may_pass);
    EXPECT_TRUE(at_carol.all<engine::ListenFailed>()[1]->may_pass);
    carol.connect(kSocket);
    ASSERT_NE(at_carol.find<engine::SocketClosed>(), nullptr);
    EXPECT_EQ(at_carol.find<engine::SocketClosed>()->error, EADDRNOTAVAIL);
}

TEST_F(TcpTransportTest, KeepsSixteenThatHaveNotSaidAWord) {
    bob_.start_listening();
    for (std::uint32_t id = 1; id <= 20; ++id) {
        alice_.connect({id});
        run_until([&] { return at_alice_.all<engine::SocketConnected>().size() == id; });
    }
    run_until([&] { return at_alice_.all<engine::SocketClosed>().size() == 4; });
    EXPECT_EQ(at_bob_.all<engine::SocketAccepted>().size(), 20u);
    EXPECT_EQ(at_bob_.all<engine::SocketClosed>().size(), 4u);
    for (const engine::SocketClosed* closed : at_alice_.all<engine::SocketClosed>()) {
        EXPECT_LE(closed->socket.value, 4u);  // the oldest
    }
}

TEST_F(TcpTransportTest, WhoHasSpokenStaysAndKeepsFurtherOnesOut) {
    bob_.start_listening();
    for (std::uint32_t id = 1; id <= 16; ++id) {
        alice_.connect({id});
        run_until([&] { return at_alice_.all<engine::SocketConnected>().size() == id; });
        alice_.send(packet({id}, proto::Command::Ping));
        run_until([&] { return arrived() == id; });
    }
    alice_.connect({17});
    run_until([&] { return at_alice_.find<engine::SocketClosed>() != nullptr; });
    EXPECT_EQ(at_alice_.find<engine::SocketClosed>()->socket.value, 17u);
    EXPECT_EQ(at_bob_.all<engine::SocketAccepted>().size(), 16u);
}

}  // namespace
}  // namespace runtime
