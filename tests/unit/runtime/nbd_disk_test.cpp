// The disk over an NBD export, with our own server at the other end: it dies, comes back, and has
// lost what was in its cache.
#include "drbdd/runtime/nbd_disk.h"

#include "base/prng.h"
#include "drbdd/runtime/buffer_pool.h"
#include "nbd-backend/server.h"
#include "tests/unit/nbd/memory_device.h"
#include "tests/unit/runtime/temporary.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace runtime {
namespace {

using Kind = io::DiskOp::Kind;
using Area = io::DiskOp::Area;

constexpr std::uint64_t kExportBytes = 8u << 20;
constexpr std::uint64_t kPiece = 4096;

class LogLines : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { text += std::string(line) + "\n"; }

    std::string text;
};

class NbdDiskTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto ring = Ring::create(context_);
        ASSERT_TRUE(ring) << ring.error().text;
        ring_ = std::move(*ring);
        paths_.data = "nbd+unix:///drbd0?socket=" + socket();
        paths_.meta = folder_.make_file("meta", 1u << 20);
        options_.lost_limit = std::chrono::seconds(10);
        options_.retry_interval = std::chrono::milliseconds(5);
        options_.elsewhere = [this](std::function<void()> job, std::function<void()> then) {
            ++jobs_;
            threads_.emplace_back([this, job = std::move(job), then = std::move(then)] {
                job();
                boost::asio::post(context_, [this, then] {
                    --jobs_;
                    then();
                });
            });
        };
        device_.use_cache();
        start_server();
    }

    void TearDown() override {
        device_.thaw();
        if (disk_) {
            EXPECT_TRUE(run_until([this] { return disk_->outstanding() == 0; }));
            disk_->give_up_device();
            disk_.reset();
        }
        run_until([this] { return jobs_ == 0; });
        server_.reset();
        context_.poll();
        for (std::thread& thread : threads_) {
            thread.join();
        }
        ring_.reset();
    }

    std::string socket() const { return folder_.path("drbd0.nbd"); }

    void start_server() {
        nbd::ServerOptions options;
        options.socket_path = socket();
        server_ = std::make_unique<nbd::NbdServer>(context_, device_, options, log_);
        const auto started = server_->start();
        ASSERT_TRUE(started) << started.error().text;
    }

    // Its machine has lost its power.
    void kill_server() {
        server_.reset();
        device_.thaw();
        context_.poll();
        device_.lose_cache();
    }

    base::Result<BackingDevice> open() {
        std::optional<OpenedDisks> opened;
        bool done = false;
        options_.elsewhere([&] { opened.emplace(open_disks(paths_)); }, [&] { done = true; });
        EXPECT_TRUE(run_until([&] { return done; }));
        return std::move(opened->device);
    }

    void attach() {
        auto device = open();
        ASSERT_TRUE(device) << device.error().text;
        disk_ = std::make_unique<NbdDisk>(context_,
                                          *ring_,
                                          pool_,
                                          std::move(*device),
                                          options_,
                                          log_,
                                          [this](io::IoId id, int error) {
                                              EXPECT_FALSE(submitting_);
                                              EXPECT_TRUE(results_.emplace(id.value, error).second);
                                          });
    }

    template <typename Condition>
    bool run_until(Condition&& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(5));
        }
        return true;
    }

    std::uint64_t submit(io::DiskOp op) {
        op.id = {++last_id_};
        submitting_ = true;
        disk_->submit(op);
        submitting_ = false;
        ring_->submit();
        return last_id_;
    }

    std::uint64_t submit(Kind kind,
                         std::uint64_t offset,
                         std::uint64_t length,
                         int value = 0,
                         bool fua = false,
                         Area area = Area::Data) {
        io::DiskOp op;
        op.kind = kind;
        op.area = area;
        op.fua = fua;
        op.sector = base::sectors_rounding_down(offset);
        op.length = length;
        if (kind == Kind::Read || kind == Kind::Write) {
            op.buffer = pool_.allocate_slice(length);
            std::memset(op.buffer.bytes().data(), value, length);
            last_buffer_ = op.buffer;
        }
        return submit(op);
    }

    bool is_done(std::uint64_t id) const { return results_.contains(id); }

    int result(std::uint64_t id) {
        EXPECT_TRUE(run_until([&] { return is_done(id); })) << log_.text;
        return results_.at(id);
    }

    int write(std::uint64_t offset, int value, bool fua = false) {
        return result(submit(Kind::Write, offset, kPiece, value, fua));
    }

    int flush() { return result(submit(Kind::Flush, 0, 0)); }

    // The byte that the piece consists of; -1: several.
    int content(std::uint64_t offset) {
        const std::uint64_t id = submit(Kind::Read, offset, kPiece);
        const io::Slice buffer = last_buffer_;
        EXPECT_EQ(result(id), 0);
        const base::Bytes bytes = buffer.bytes();
        const bool same = std::all_of(
            bytes.begin(), bytes.end(), [&](std::uint8_t byte) { return byte == bytes[0]; });
        return same ? bytes[0] : -1;
    }

    TemporaryFolder folder_;
    boost::asio::io_context context_{1};
    std::unique_ptr<Ring> ring_;
    RingBufferPool pool_;
    LogLines log_;
    test::MemoryDevice device_{kExportBytes, [this](std::function<void()> work) {
                                   boost::asio::post(context_, std::move(work));
                               }};
    std::unique_ptr<nbd::NbdServer> server_;
    DiskPaths paths_;
    NbdDiskOptions options_;
    std::unique_ptr<NbdDisk> disk_;
    std::map<std::uint64_t, int> results_;
    std::vector<std::thread> threads_;
    int jobs_ = 0;
    std::uint64_t last_id_ = 0;
    bool submitting_ = false;
    io::Slice last_buffer_;
};

TEST_F(NbdDiskTest, ReadsWritesAndZeroes) {
    attach();
    EXPECT_EQ(disk_->geometry().size_bytes, kExportBytes);
    EXPECT_TRUE(disk_->geometry().can_discard);
    ASSERT_TRUE(disk_->geometry().meta.has_value());
    EXPECT_EQ(disk_->ruler()(), kExportBytes);
    EXPECT_EQ(write(0, 7), 0);
    EXPECT_EQ(write(kExportBytes - kPiece, 8, true), 0);
    EXPECT_EQ(content(0), 7);
    EXPECT_EQ(content(kExportBytes - kPiece), 8);
    EXPECT_EQ(result(submit(Kind::Write, 1 << 20, 1 << 20, 9)), 0);
    EXPECT_EQ(content((2 << 20) - kPiece), 9);
    EXPECT_EQ(result(submit(Kind::Discard, 1 << 20, 512 << 10)), 0);
    EXPECT_EQ(content(1 << 20), 0);
    EXPECT_EQ(result(submit(Kind::WriteZeroes, 0, 1 << 20, 0, true)), 0);
    EXPECT_EQ(content(0), 0);
    EXPECT_EQ(device_.flushes_, 0u);
    EXPECT_EQ(flush(), 0);
    EXPECT_EQ(device_.flushes_, 1u);
}

TEST_F(NbdDiskTest, MetadataAreOnTheirOwnDevice) {
    attach();
    EXPECT_EQ(result(submit(Kind::Write, 8192, kPiece, 5, false, Area::Meta)), 0);
    EXPECT_EQ(result(submit(Kind::Read, 8192, kPiece, 0, false, Area::Meta)), 0);
    EXPECT_EQ(last_buffer_.bytes()[kPiece - 1], 5);
    EXPECT_EQ(content(8192), 0);
    EXPECT_EQ(flush(), 0);
}

TEST_F(NbdDiskTest, AServerThatComesBackIsNobodysError) {
    attach();
    EXPECT_EQ(write(0, 1), 0);
    device_.frozen_ = true;
    const std::uint64_t open = submit(Kind::Write, kPiece, kPiece, 2);
    EXPECT_TRUE(run_until([this] { return device_.waiting() == 1; }));
    kill_server();
    const std::uint64_t later = submit(Kind::Write, 2 * kPiece, kPiece, 3);
    const std::uint64_t durable = submit(Kind::Flush, 0, 0);
    EXPECT_TRUE(run_until([this] { return log_.text.find("is lost") != log_.text.npos; }));
    EXPECT_FALSE(is_done(open));
    start_server();
    EXPECT_EQ(result(open), 0);
    EXPECT_EQ(result(later), 0);
    EXPECT_EQ(result(durable), 0);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(content(kPiece * static_cast<unsigned>(i)), i + 1);
    }
}

// Nothing has to be asked for: the next user of the disk finds it connected.
TEST_F(NbdDiskTest, AnIdleDiskConnectsAgain) {
    attach();
    EXPECT_EQ(write(0, 1), 0);
    kill_server();
    start_server();
    EXPECT_TRUE(run_until([this] { return log_.text.find("connected again") != log_.text.npos; }));
    device_.lose_cache();  // what was written again is not durable by that
    EXPECT_EQ(write(0, 1), 0);
    EXPECT_EQ(content(0), 1);
}

TEST_F(NbdDiskTest, AnEarlierWriteDoesNotSpoilALaterOne) {
    attach();
    EXPECT_EQ(write(0, 1), 0);
    EXPECT_EQ(write(0, 2, true), 0);  // durable
    EXPECT_EQ(write(kPiece, 3), 0);
    EXPECT_EQ(result(submit(Kind::WriteZeroes, kPiece, kPiece)), 0);
    kill_server();
    start_server();
    EXPECT_EQ(content(0), 2);
    EXPECT_EQ(content(kPiece), 0);
}

TEST_F(NbdDiskTest, WhatWasFlushedIsNotKept) {
    attach();
    EXPECT_EQ(write(0, 1), 0);
    EXPECT_EQ(flush(), 0);
    kill_server();
    start_server();
    EXPECT_EQ(content(0), 1);
    EXPECT_NE(log_.text.find("connected again; 0 writes"), log_.text.npos) << log_.text;
}

TEST_F(NbdDiskTest, AnExportThatStaysAwayIsAFailedDisk) {
    options_.lost_limit = std::chrono::milliseconds(100);
    attach();
    EXPECT_EQ(write(0, 1), 0);
    device_.frozen_ = true;
    const std::uint64_t open = submit(Kind::Write, 0, kPiece, 2);
    const std::uint64_t durable = submit(Kind::Flush, 0, 0);
    kill_server();
    EXPECT_EQ(result(open), EIO);
    EXPECT_EQ(result(durable), EIO);
    start_server();
    EXPECT_EQ(write(0, 3), EIO);
    EXPECT_EQ(flush(), EIO);
    EXPECT_EQ(result(submit(Kind::Read, 0, kPiece)), EIO);
    EXPECT_NE(log_.text.find("the export has failed"), log_.text.npos);
}

TEST_F(NbdDiskTest, AnotherExportIsAFailedDisk) {
    attach();
    kill_server();
    device_.info_.size_bytes -= 1 << 20;
    start_server();
    EXPECT_EQ(write(0, 1), EIO);
    EXPECT_NE(log_.text.find("another one"), log_.text.npos);
    device_.info_.size_bytes += 1 << 20;
}

TEST_F(NbdDiskTest, ErrorsOfTheServerAreTheDisks) {
    attach();
    device_.error_ = ENOSPC;
    EXPECT_EQ(write(0, 1), ENOSPC);
    device_.error_ = EIO;
    EXPECT_EQ(flush(), EIO);
    EXPECT_EQ(result(submit(Kind::Read, 0, kPiece)), EIO);
    device_.error_ = 0;
    EXPECT_EQ(write(0, 1), 0);
}

// It may have been the only one to hear of it.
TEST_F(NbdDiskTest, AFailureOfAFlushOfOursIsTold) {
    options_.kept_bytes = 1;
    attach();
    device_.frozen_ = true;
    const std::uint64_t open = submit(Kind::Write, 0, kPiece, 1);
    EXPECT_TRUE(run_until([this] { return device_.waiting() == 1; }));
    device_.error_ = EIO;
    device_.thaw();
    EXPECT_EQ(result(open), 0);
    EXPECT_TRUE(run_until([this] { return device_.waiting() == 0; }));
    const std::uint64_t read = submit(Kind::Read, 0, kPiece);
    EXPECT_EQ(result(read), EIO);  // behind the flush
    device_.error_ = 0;
    EXPECT_EQ(flush(), EIO);
    EXPECT_EQ(flush(), 0);
}

TEST_F(NbdDiskTest, KeepsNoMoreThanItMay) {
    options_.kept_bytes = 64 << 10;
    attach();
    for (unsigned i = 0; i < 200; ++i) {
        EXPECT_EQ(write(i * kPiece, 1), 0);
    }
    EXPECT_GE(device_.flushes_, 10u);
}

TEST_F(NbdDiskTest, AnAbandonedDiskTellsNothing) {
    attach();
    device_.frozen_ = true;
    submit(Kind::Write, 0, kPiece, 1);
    submit(Kind::Flush, 0, 0);
    EXPECT_TRUE(run_until([this] { return device_.waiting() > 0; }));
    bool idle = false;
    disk_->abandon([&] { idle = true; });
    EXPECT_FALSE(idle);
    EXPECT_TRUE(run_until([&] { return idle; }));
    EXPECT_EQ(disk_->outstanding(), 0u);
    device_.thaw();
    context_.poll();
    EXPECT_TRUE(results_.empty());
}

TEST_F(NbdDiskTest, WhatCannotBeADiskIsRefused) {
    const auto refusal = [this] {
        const auto opened = open();
        return opened ? std::string("none") : opened.error().text;
    };
    const DiskPaths good = paths_;
    paths_.meta.clear();
    EXPECT_NE(refusal().find("on a device of this machine"), std::string::npos);
    paths_ = good;
    paths_.data = "nbd+unix:///other?socket=" + socket();
    EXPECT_NE(refusal().find("cannot open the export"), std::string::npos);
    paths_.data = "nbd+unix:///drbd0?socket=" + socket() + "x";
    EXPECT_NE(refusal().find("cannot open the export"), std::string::npos);
    paths_.data = "nbd://";
    EXPECT_NE(refusal().find("cannot open the export"), std::string::npos);
    paths_.data = "nbd+ssh://host/drbd0";
    EXPECT_NE(refusal().find("cannot open the export"), std::string::npos);
    paths_ = good;
    device_.info_.block_bytes = 8192;
    device_.info_.preferred_bytes = 8192;
    EXPECT_NE(refusal().find("larger than 4096"), std::string::npos);
    device_.info_.block_bytes = 512;
    device_.refusal_ = "it is Secondary";
    EXPECT_NE(refusal().find("cannot open the export"), std::string::npos);
}

// Whatever was answered is there, however often the server loses its power and its cache.
TEST_F(NbdDiskTest, LosesNothingInManyCrashes) {
    options_.kept_bytes = 100 << 10;
    attach();
    base::Prng chance(7);
    std::map<std::uint64_t, int> wanted;
    for (unsigned round = 0; round < 30; ++round) {
        std::map<std::uint64_t, std::pair<std::uint64_t, int>> open;  // by piece: id and value
        for (unsigned i = 0; i < 40; ++i) {
            const std::uint64_t piece = chance.below(64);
            if (open.contains(piece)) {
                continue;  // overlapping ones come one after the other
            }
            const int value = static_cast<int>(chance.below(255)) + 1;
            const bool fua = chance.below(4) == 0;
            open[piece] = {submit(Kind::Write, piece * kPiece, kPiece, value, fua), value};
            if (chance.below(8) == 0) {
                submit(Kind::Flush, 0, 0);
            }
            if (chance.below(4) == 0) {
                context_.restart();
                context_.poll_one();
            }
        }
        context_.restart();
        for (std::uint64_t steps = chance.below(200); steps > 0; --steps) {
            context_.poll_one();
        }
        kill_server();
        start_server();
        for (const auto& [piece, write] : open) {
            ASSERT_EQ(result(write.first), 0) << log_.text;
            wanted[piece] = write.second;
        }
        ASSERT_TRUE(run_until([this] { return disk_->outstanding() == 0; }));
        for (const auto& [piece, value] : wanted) {
            ASSERT_EQ(content(piece * kPiece), value) << "round " << round;
        }
    }
}

}  // namespace
}  // namespace runtime
