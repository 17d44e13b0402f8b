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
        send({0, 0, 0, 3});  // fixed newstyle, no zeroes
        send({'I',
              'H',
              'A',
              'V',
              'E',
              'O',
              'P',
              'T',
              0,
              0,
              0,
              1,  // EXPORT_NAME
              0,
              0,
              0,
              0});
        settle();
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
    test::MemoryDevice device_{
        1 << 20, [this](std::function<void()> work) { asio::post(io_, std::move(work)); }};
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

}  // namespace
