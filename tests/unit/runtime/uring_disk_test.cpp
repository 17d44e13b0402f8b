#include "drbdd/runtime/uring_disk.h"

#include "drbdd/runtime/buffer_pool.h"
#include "tests/unit/runtime/temporary.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <memory>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace runtime {
namespace {

constexpr std::uint64_t kMebibyte = 1u << 20;
constexpr std::uint64_t kDiskBytes = 8 * kMebibyte;

using Kind = io::DiskOp::Kind;
using Area = io::DiskOp::Area;

class UringDiskTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto ring = Ring::create(context_);
        ASSERT_TRUE(ring) << ring.error().text;
        ring_ = std::move(*ring);
        pool_.use_ring(ring_.get());
        open(folder_.make_file("disk", kDiskBytes));
    }

    void TearDown() override {
        disk_.reset();
        pool_.use_ring(nullptr);
        ring_.reset();
    }

    void open(const std::string& path) {
        path_ = path;
        auto device = open_backing_device(path);
        ASSERT_TRUE(device) << device.error().text;
        disk_ = std::make_unique<UringDisk>(
            context_, *ring_, pool_, std::move(*device), [this](io::IoId id, int error) {
                EXPECT_FALSE(submitting_) << "a completion came from inside submit()";
                EXPECT_TRUE(results_.emplace(id.value, error).second) << "completed twice";
            });
    }

    std::uint64_t submit(io::DiskOp op) {
        op.id = {++last_id_};
        submitting_ = true;
        disk_->submit(op);
        submitting_ = false;
        return last_id_;
    }

    void run() {
        ring_->submit();
        while (disk_->outstanding() > 0) {
            context_.run_one();
        }
    }

    int finish(io::DiskOp op) {
        const std::uint64_t id = submit(std::move(op));
        run();
        return results_.at(id);
    }

    io::Slice filled(std::size_t bytes, int value) {
        const io::Slice slice = pool_.allocate_slice(bytes);
        std::memset(slice.bytes().data(), value, bytes);
        return slice;
    }

    static io::DiskOp op(Kind kind, std::uint64_t offset, std::uint64_t length) {
        io::DiskOp result;
        result.kind = kind;
        result.sector = base::sectors_rounding_down(offset);
        result.length = length;
        return result;
    }

    int write(std::uint64_t offset, const io::Slice& data, bool fua = false) {
        io::DiskOp request = op(Kind::Write, offset, data.length);
        request.buffer = data;
        request.fua = fua;
        return finish(request);
    }

    // The byte that fills the whole range, or -1 if it is not one.
    int content(std::uint64_t offset, std::size_t bytes, Area area = Area::Data) {
        io::DiskOp request = op(Kind::Read, offset, bytes);
        request.area = area;
        request.buffer = filled(bytes, 0xee);
        EXPECT_EQ(finish(request), 0);
        const base::Bytes data = request.buffer.bytes();
        const bool same = std::all_of(
            data.begin(), data.end(), [&](std::uint8_t byte) { return byte == data[0]; });
        return same ? data[0] : -1;
    }

    TemporaryFolder folder_;
    RingBufferPool pool_;
    boost::asio::io_context context_{1};
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<UringDisk> disk_;
    std::string path_;
    std::map<std::uint64_t, int> results_;
    std::uint64_t last_id_ = 0;
    bool submitting_ = false;
};

TEST_F(UringDiskTest, ReadsWhatWasWritten) {
    EXPECT_EQ(write(kMebibyte, filled(65536, 0x11)), 0);
    EXPECT_EQ(write(kMebibyte + 65536, filled(kMebibyte, 0x22), true), 0);
    EXPECT_EQ(content(kMebibyte, 65536), 0x11);
    EXPECT_EQ(content(kMebibyte + 65536, kMebibyte), 0x22);
    EXPECT_EQ(content(0, 4096), 0);
}

TEST_F(UringDiskTest, WorksFromMemoryThatIsNotRegistered) {
    RingBufferPool heap(0);
    {
        const io::Slice data = heap.allocate_slice(8192);
        ASSERT_EQ(data.buffer->fixed_index(), -1);
        std::memset(data.bytes().data(), 0x33, data.length);
        EXPECT_EQ(write(0, data), 0);
    }
    EXPECT_EQ(content(0, 8192), 0x33);
}

TEST_F(UringDiskTest, WritesPartsOfABuffer) {
    const io::Slice data = filled(16384, 0x44);
    EXPECT_EQ(write(4096, data.part(4096, 8192)), 0);
    EXPECT_EQ(content(0, 4096), 0);
    EXPECT_EQ(content(4096, 8192), 0x44);
    EXPECT_EQ(content(12288, 4096), 0);
}

TEST_F(UringDiskTest, CompletesEveryOneOfManyOperations) {
    std::vector<std::uint64_t> ids;
    for (std::uint64_t block = 0; block < 1500; ++block) {  // more than the ring takes at once
        io::DiskOp request = op(Kind::Write, block * 4096, 4096);
        request.buffer = filled(4096, static_cast<int>(block % 251));
        ids.push_back(submit(request));
    }
    run();
    for (const std::uint64_t id : ids) {
        EXPECT_EQ(results_.at(id), 0);
    }
    EXPECT_EQ(content(1499 * 4096, 4096), 1499 % 251);
}

TEST_F(UringDiskTest, ZeroesAndDiscards) {
    ASSERT_EQ(write(0, filled(kMebibyte, 0x55)), 0);
    EXPECT_EQ(finish(op(Kind::Discard, 0, 65536)), 0);
    EXPECT_EQ(content(0, 65536), 0);
    io::DiskOp zero = op(Kind::WriteZeroes, 65536, 65536);
    zero.may_unmap = false;
    zero.fua = true;
    EXPECT_EQ(finish(zero), 0);
    EXPECT_EQ(content(65536, 65536), 0);
    zero = op(Kind::WriteZeroes, 131072, 65536);
    EXPECT_EQ(finish(zero), 0);
    EXPECT_EQ(content(131072, 65536), 0);
    EXPECT_EQ(content(196608, 65536), 0x55);
}

// tmpfs has no ZERO_RANGE and says EOPNOTSUPP.
TEST_F(UringDiskTest, WritesZeroesWhereTheFileSystemCannotZero) {
    const std::string path = "/dev/shm/drbdd-test-" + std::to_string(::getpid());
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::ftruncate(fd, kDiskBytes), 0);
    ::close(fd);
    open(path);
    ::unlink(path.c_str());
    ASSERT_EQ(write(0, filled(kMebibyte, 0x66)), 0);
    io::DiskOp zero = op(Kind::WriteZeroes, 4096, 524288);
    zero.may_unmap = false;
    EXPECT_EQ(finish(zero), 0);
    EXPECT_EQ(content(0, 4096), 0x66);
    EXPECT_EQ(content(4096, 524288), 0);
    EXPECT_EQ(content(528384, 4096), 0x66);
}

TEST_F(UringDiskTest, FlushesAlsoWhenManyAskAtOnce) {
    std::vector<std::uint64_t> ids;
    for (int count = 0; count < 20; ++count) {
        ids.push_back(submit(op(Kind::Flush, 0, 0)));
    }
    run();
    for (const std::uint64_t id : ids) {
        EXPECT_EQ(results_.at(id), 0);
    }
}

// Forced writes and flushes end in threads of the kernel, beside the loop: it once waited for ever
// for a flag that they had set late. A loop that stands still is ended by the signal.
TEST_F(UringDiskTest, GoesOnWhateverTheKernelsThreadsDo) {
    ::alarm(60);
    const io::Slice data = filled(4096, 0x77);
    for (std::uint64_t round = 0; round < 2000; ++round) {
        for (std::uint64_t block = 0; block < 8; ++block) {
            io::DiskOp request = op(Kind::Write, (round * 8 + block) % 1024 * 4096, 4096);
            request.buffer = data;
            request.fua = block % 2 == 0;
            submit(request);
        }
        submit(op(Kind::Flush, 0, 0));
        ring_->submit();
        while (disk_->outstanding() > 16) {
            context_.run_one();
        }
    }
    run();
    ::alarm(0);
    EXPECT_EQ(results_.size(), 2000u * 9);
}

TEST_F(UringDiskTest, SaysEioBeyondTheEndOfTheFile) {
    io::DiskOp request = op(Kind::Read, kDiskBytes, 4096);
    request.buffer = filled(4096, 0);
    EXPECT_EQ(finish(request), EIO);
}

TEST_F(UringDiskTest, PassesOnWhatTheKernelRefuses) {
    io::DiskOp request = op(Kind::Write, 512, 512);
    request.buffer = filled(4096, 0x77).part(1, 512);  // not aligned
    const int error = finish(request);
    EXPECT_TRUE(error == EINVAL || error == 0);  // 0: a file system without direct I/O
}

// Writes beyond the file size limit are cut short first and then refused, as on a full disk.
TEST_F(UringDiskTest, GoesOnAfterAShortWriteAndReportsTheErrorOfTheRest) {
    struct sigaction ignore {};

    struct sigaction before {};

    ignore.sa_handler = SIG_IGN;
    ASSERT_EQ(::sigaction(SIGXFSZ, &ignore, &before), 0);
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
    rlimit limit = old;
    limit.rlim_cur = kMebibyte + 8192;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const int error = write(kMebibyte, filled(65536, 0x88));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    ASSERT_EQ(::sigaction(SIGXFSZ, &before, nullptr), 0);
    EXPECT_EQ(error, EFBIG);
    EXPECT_EQ(content(kMebibyte, 8192), 0x88);
    EXPECT_EQ(content(kMebibyte + 8192, 4096), 0);
}

TEST_F(UringDiskTest, RefusesWorkAfterItWasClosedAndFinishesWhatItHas) {
    io::DiskOp request = op(Kind::Write, 0, 4096);
    request.buffer = filled(4096, 0x99);
    const std::uint64_t before = submit(request);
    disk_->close();
    const std::uint64_t after = submit(request);
    run();
    EXPECT_EQ(results_.at(before), 0);
    EXPECT_EQ(results_.at(after), ECANCELED);
}

// What is of the metadata goes to their device; a flush is of both.
TEST_F(UringDiskTest, HasTwoDevicesIfTheMetadataAreExternal) {
    disk_.reset();
    const std::string meta = folder_.make_file("meta", kMebibyte);
    OpenedDisks opened = open_disks({folder_.make_file("data", kMebibyte), meta, std::nullopt});
    ASSERT_TRUE(opened.device) << opened.device.error().text;
    disk_ = std::make_unique<UringDisk>(
        context_, *ring_, pool_, std::move(*opened.device), [this](io::IoId id, int error) {
            EXPECT_TRUE(results_.emplace(id.value, error).second) << "completed twice";
        });
    ASSERT_EQ(write(0, filled(4096, 0x11)), 0);
    io::DiskOp request = op(Kind::Write, 4096, 4096);
    request.area = Area::Meta;
    request.buffer = filled(4096, 0x22);
    ASSERT_EQ(finish(request), 0);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(finish(op(Kind::Flush, 0, 0)), 0);
    }
    EXPECT_EQ(content(0, 4096), 0x11);
    EXPECT_EQ(content(4096, 4096), 0);
    EXPECT_EQ(content(0, 4096, Area::Meta), 0);
    EXPECT_EQ(content(4096, 4096, Area::Meta), 0x22);
    EXPECT_FALSE(open_backing_device(meta));
    { const BackingDevice device = disk_->release(); }
    EXPECT_TRUE(open_backing_device(meta));
}

TEST_F(UringDiskTest, LetsGoOfTheDeviceAtOnce) {
    ASSERT_EQ(write(0, filled(kMebibyte, 1)), 0);
    EXPECT_FALSE(open_backing_device(path_));
    { const BackingDevice device = disk_->release(); }
    EXPECT_TRUE(open_backing_device(path_));
}

}  // namespace
}  // namespace runtime
