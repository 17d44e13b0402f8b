// A connection with its client at the other end of a socket pair.
#include "nbd-backend/connection.h"

#include "tests/unit/nbd/memory_device.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;

using Octets = std::vector<std::uint8_t>;

class Silent : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

class NbdConnection : public testing::Test {
protected:
    void SetUp() override {
        connect();
        send({0, 0, 0, 3});  // fixed newstyle, no zeroes
        send_option(1);      // EXPORT_NAME
        settle();
    }

    void connect() {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        client_ = ends[0];
        nbd::ConnectionOptions options;
        options.requests_in_flight = 1;
        connection_ =
            std::make_shared<nbd::Connection>(io_,
                                              asio::posix::stream_descriptor(io_, ends[1]),
                                              "test",
                                              device_,
                                              options,
                                              log_,
                                              nbd::ConnectionHooks{});
        connection_->start();
    }

    void TearDown() override {
        if (client_ >= 0) {
            ::close(client_);
        }
        connection_->abort();
        device_.thaw();
        settle();
    }

    void send(const Octets& bytes) {
        ASSERT_EQ(::send(client_, bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
    }

    void send_option(std::uint8_t number, const Octets& data = {}) {
        Octets out{'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, number, 0, 0, 0};
        out.push_back(static_cast<std::uint8_t>(data.size()));
        out.insert(out.end(), data.begin(), data.end());
        send(out);
    }

    // What has come since the last time.
    Octets receive() {
        Octets out(1 << 20);
        const ssize_t count = ::recv(client_, out.data(), out.size(), 0);
        out.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return out;
    }

    void send_write(std::uint64_t offset, std::uint8_t value) {
        Octets out(28 + 512, value);
        base::put_be32(out, 0, 0x25609513);
        base::put_be16(out, 4, 0);
        base::put_be16(out, 6, 1);
        base::put_be64(out, 8, offset);
        base::put_be64(out, 16, offset);
        base::put_be32(out, 24, 512);
        send(out);
    }

    // All that can happen now has happened.
    void settle() {
        io_.restart();
        while (io_.poll() > 0) {
        }
    }

    asio::io_context io_;
    test::MemoryDevice device_{std::uint64_t{512} << 20, [this](std::function<void()> work) {
                                   asio::post(io_, std::move(work));
                               }};
    Silent log_;
    std::shared_ptr<nbd::Connection> connection_;
    int client_ = -1;
};

TEST_F(NbdConnection, GoesOnWithWhatWaitedWhenLessIsInFlight) {
    device_.frozen_ = true;
    send_write(0, 1);
    settle();
    send_write(4096, 2);
    settle();
    EXPECT_EQ(device_.waiting(), 1u);
    device_.thaw();
    device_.frozen_ = true;
    settle();
    EXPECT_EQ(device_.waiting(), 1u);  // the second one
}

// Another client has taken its place, has repeated what was not answered, and may have written on.
// The answer that makes room for more is sent first, and finds that nobody is there.
TEST_F(NbdConnection, WhatAKilledClientHasLeftUnreadIsNotExecuted) {
    device_.frozen_ = true;
    send_write(0, 1);
    settle();
    send_write(4096, 2);
    settle();
    EXPECT_EQ(device_.waiting(), 1u);
    ::close(client_);
    client_ = -1;
    device_.thaw();
    device_.frozen_ = true;
    settle();
    EXPECT_EQ(device_.waiting(), 0u);
}

// Extended headers and one context, the bitmap's, on a volume of 512 MiB.
class NbdStatus : public NbdConnection {
protected:
    explicit NbdStatus(std::string context = "x-drbd:out-of-sync", std::uint32_t id = 2)
        : context_(std::move(context)), id_(id) {}

    static constexpr std::uint64_t kBlock = 4096;
    static constexpr std::uint64_t kReach = std::uint64_t{128} << 20;

    struct Extent {
        std::uint64_t bytes = 0;
        std::uint64_t flags = 0;
        bool operator==(const Extent&) const = default;
    };

    void SetUp() override {
        device_.info_.has_bitmap = true;
        connect();
        send({0, 0, 0, 3});
        send_option(11);
        Octets query{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
        query.push_back(static_cast<std::uint8_t>(context_.size()));
        query.insert(query.end(), context_.begin(), context_.end());
        settle();
        send_option(10, query);
        settle();
        send_option(7, {0, 0, 0, 0, 0, 0});
        settle();
        receive();
    }

    // The one chunk that answers: its type, and the extents of it.
    std::pair<unsigned, std::vector<Extent>> ask(std::uint16_t flags,
                                                 std::uint64_t offset,
                                                 std::uint64_t length) {
        Octets out(32);
        base::put_be32(out, 0, 0x21e41c71);
        base::put_be16(out, 4, flags);
        base::put_be16(out, 6, 7);
        base::put_be64(out, 16, offset);
        base::put_be64(out, 24, length);
        send(out);
        settle();
        const Octets in = receive();
        EXPECT_GE(in.size(), 32u);
        EXPECT_EQ(base::get_be64(in, 16), offset);
        EXPECT_EQ(base::get_be64(in, 24), in.size() - 32);
        const unsigned type = base::get_be16(in, 6);
        std::vector<Extent> extents;
        if (type == 6) {
            EXPECT_EQ(base::get_be32(in, 32), id_);
            EXPECT_EQ(base::get_be32(in, 36), (in.size() - 40) / 16);
            for (std::size_t at = 40; at < in.size(); at += 16) {
                extents.push_back({base::get_be64(in, at), base::get_be64(in, at + 8)});
            }
        }
        return {type, extents};
    }

    using Extents = std::vector<Extent>;

    const std::string context_;
    const std::uint32_t id_;
};

TEST_F(NbdStatus, TellsWhatTheBitmapMarks) {
    device_.marked_ = {1, 2, 5};
    EXPECT_EQ(
        ask(0, 0, 8 * kBlock).second,
        (Extents{{kBlock, 0}, {2 * kBlock, 1}, {2 * kBlock, 0}, {kBlock, 1}, {2 * kBlock, 0}}));
    EXPECT_EQ(ask(0, kBlock + 512, kBlock).second, (Extents{{kBlock, 1}}));
    EXPECT_EQ(ask(0, 2 * kBlock + 512, kBlock).second, (Extents{{kBlock - 512, 1}, {512, 0}}));
    EXPECT_EQ(ask(8, kBlock, 8 * kBlock).second, (Extents{{2 * kBlock, 1}}));  // REQ_ONE
}

TEST_F(NbdStatus, AnswersSoFarAndNoFurther) {
    const std::uint64_t size = device_.info_.size_bytes;
    EXPECT_EQ(ask(0, 0, size).second, (Extents{{kReach, 0}}));
    EXPECT_EQ(ask(0, size - kBlock, kBlock).second, (Extents{{kBlock, 0}}));
    for (std::uint64_t block = 0; block < 4000; block += 2) {
        device_.marked_.insert(block);
    }
    const Extents many = ask(0, 0, size).second;
    ASSERT_EQ(many.size(), 1024u);
    EXPECT_EQ(many.front(), (Extent{kBlock, 1}));
    EXPECT_EQ(many.back(), (Extent{kBlock, 0}));
}

TEST_F(NbdStatus, ThereIsNoAnswerWithoutTheDisk) {
    device_.info_.has_bitmap = false;
    EXPECT_EQ(ask(0, 0, kBlock).first, 0x8001u);
    device_.info_.has_bitmap = true;
    EXPECT_EQ(ask(0, 0, kBlock).first, 6u);
}

// What the disk has room for; its answer comes later.
class NbdAllocation : public NbdStatus {
protected:
    NbdAllocation() : NbdStatus("base:allocation", 1) {}
};

TEST_F(NbdAllocation, TellsOfHoles) {
    device_.holes_ = {0, 1, 4};
    EXPECT_EQ(ask(0, 0, 6 * kBlock).second,
              (Extents{{2 * kBlock, 3}, {2 * kBlock, 0}, {kBlock, 3}, {kBlock, 0}}));
    EXPECT_EQ(ask(0, kBlock + 512, 2 * kBlock).second,
              (Extents{{kBlock - 512, 3}, {kBlock + 512, 0}}));
    EXPECT_EQ(ask(8, 0, 8 * kBlock).second, (Extents{{2 * kBlock, 3}}));  // REQ_ONE
}

TEST_F(NbdAllocation, OfWhatIsNotKnownAllIsData) {
    const std::uint64_t size = device_.info_.size_bytes;
    EXPECT_EQ(ask(0, 0, size).second, (Extents{{size, 0}}));
    device_.holes_.emplace();
    EXPECT_EQ(ask(0, 0, size).second, (Extents{{kReach, 0}}));
}

TEST_F(NbdAllocation, AnAnswerThatComesTooLateFindsNobody) {
    Octets out(32);
    base::put_be32(out, 0, 0x21e41c71);
    base::put_be16(out, 6, 7);
    base::put_be64(out, 24, kBlock);
    send(out);
    while (io_.poll_one() > 0 && device_.asked_ == 0) {
    }
    EXPECT_EQ(device_.asked_, 1u);
    connection_->abort();
    std::weak_ptr<nbd::Connection> left = connection_;
    settle();
    EXPECT_EQ(device_.users(), 0);
    connection_ = std::make_shared<nbd::Connection>(io_,
                                                    asio::posix::stream_descriptor(io_),
                                                    "none",
                                                    device_,
                                                    nbd::ConnectionOptions{},
                                                    log_,
                                                    nbd::ConnectionHooks{});
    EXPECT_TRUE(left.expired());
}

}  // namespace
