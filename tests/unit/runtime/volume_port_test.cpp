#include "drbdd/runtime/volume_port.h"

#include "drbdd/runtime/buffer_pool.h"
#include "tests/unit/runtime/units.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

namespace runtime {
namespace {

using Op = io::BlockRequest::Op;

// The engine's side: keeps what the port submits, for the test to answer.
class Requests : public EventSink {
public:
    void on_event(engine::Event event) override {
        list.push_back(std::get<engine::AppRequest>(std::move(event)));
    }

    std::vector<engine::AppRequest> list;
};

class VolumePortTest : public ::testing::Test {
protected:
    void SetUp() override {
        status_.minor = 7;
        status_.number = {1};
        status_.size_sectors = 64 * kMebibyte / 512;
        status_.state.role = engine::Role::Primary;
        status_.usable = true;
        port_.update(status_);
    }

    void submit(Op op, std::uint64_t offset, std::uint64_t length, io::Slice payload = {}) {
        io::BlockRequest request;
        request.op = op;
        request.offset = offset;
        request.length = length;
        request.payload = payload;
        request.done = [this](int error, const io::Slice& data) {
            EXPECT_FALSE(result_.has_value()) << "completed twice";
            result_ = error;
            data_ = data;
        };
        port_.submit(std::move(request));
        EXPECT_FALSE(result_.has_value()) << "completed from inside submit()";
    }

    int refusal(Op op, std::uint64_t offset, std::uint64_t length, io::Slice payload = {}) {
        submit(op, offset, length, std::move(payload));
        EXPECT_TRUE(requests_.list.empty());
        context_.restart();
        context_.run();
        return std::exchange(result_, std::nullopt).value_or(-1);
    }

    RingBufferPool pool_;
    boost::asio::io_context context_{1};
    Requests requests_;
    RequestIds ids_;
    engine::VolumeStatus status_;
    std::set<std::uint64_t> marked_;  // blocks
    VolumePort port_{
        context_,
        pool_,
        requests_,
        ids_,
        "r0",
        {{1}, 7, {}},
        [this](base::BitIndex block) { return marked_.contains(block.value); },
        [this](std::uint64_t, std::uint64_t length, std::size_t, io::AllocationTold told) {
            boost::asio::post(context_, [length, told] { told({{length, true}}); });
        }};
    std::optional<int> result_;
    io::Slice data_;
};

TEST_F(VolumePortTest, TellsWhatTheBitmapMarksWhileThereIsOne) {
    marked_ = {1, 2};
    EXPECT_FALSE(port_.info().has_bitmap);
    EXPECT_FALSE(port_.sync_run(0, 4096));

    status_.has_metadata = true;
    for (const auto disk : {engine::DiskState::Attaching, engine::DiskState::Failed}) {
        status_.state.disk = disk;
        port_.update(status_);
        EXPECT_FALSE(port_.sync_run(0, 4096));
    }
    status_.state.disk = engine::DiskState::Inconsistent;
    port_.update(status_);
    EXPECT_TRUE(port_.info().has_bitmap);

    const auto run = [this](std::uint64_t offset, std::uint64_t length) {
        const auto found = port_.sync_run(offset, length);
        EXPECT_TRUE(found);
        return std::pair(found->bytes, found->out_of_sync);
    };
    EXPECT_EQ(run(0, 65536), std::pair(std::uint64_t{4096}, false));
    EXPECT_EQ(run(4096, 65536), std::pair(std::uint64_t{8192}, true));
    EXPECT_EQ(run(4096 + 512, 1024), std::pair(std::uint64_t{1024}, true));
    EXPECT_EQ(run(8192 + 512, 65536), std::pair(std::uint64_t{3584}, true));
    EXPECT_EQ(run(64 * kMebibyte - 512, 512), std::pair(std::uint64_t{512}, false));
}

// An UpToDate disk is the one that is read. Of others, what reads as zeroes may be data.
TEST_F(VolumePortTest, TellsOfHolesWhileItsOwnDiskIsRead) {
    const auto runs = [this] {
        std::optional<std::vector<io::AllocationRun>> told;
        port_.map_allocation(4096, 8192, 10, [&](const std::vector<io::AllocationRun>& all) {
            EXPECT_FALSE(told);
            told = all;
        });
        EXPECT_FALSE(told) << "told from inside";
        context_.restart();
        context_.run();
        return *told;
    };
    for (const auto disk : {engine::DiskState::Diskless,
                            engine::DiskState::Inconsistent,
                            engine::DiskState::Failed,
                            engine::DiskState::Consistent}) {
        status_.state.disk = disk;
        port_.update(status_);
        EXPECT_TRUE(runs().empty());
    }
    status_.state.disk = engine::DiskState::UpToDate;
    port_.update(status_);
    EXPECT_EQ(runs(), (std::vector<io::AllocationRun>{{8192, true}}));
}

TEST_F(VolumePortTest, PassesASmallRequestOnAsItIs) {
    const io::Slice payload = pool_.allocate_slice(8192);
    submit(Op::Write, 4096, 8192, payload);
    ASSERT_EQ(requests_.list.size(), 1u);
    const engine::AppRequest& request = requests_.list[0];
    EXPECT_EQ(request.volume.value, 1);
    EXPECT_EQ(request.sector.value, 8u);
    EXPECT_EQ(request.length, 8192u);
    EXPECT_EQ(request.payload.bytes().data(), payload.bytes().data());
    EXPECT_TRUE(port_.complete({request.id, 0, {}}));
    EXPECT_EQ(result_, 0);
    EXPECT_FALSE(port_.complete({request.id, 0, {}}));
}

TEST_F(VolumePortTest, CutsALargeWriteAndJoinsTheCompletions) {
    submit(Op::Write, kMebibyte, 2 * kMebibyte + 4096, pool_.allocate_slice(2 * kMebibyte + 4096));
    ASSERT_EQ(requests_.list.size(), 3u);
    EXPECT_EQ(requests_.list[1].sector.value, 2 * kMebibyte / 512);
    EXPECT_EQ(requests_.list[2].length, 4096u);
    port_.complete({requests_.list[2].id, 0, {}});
    port_.complete({requests_.list[0].id, EIO, {}});
    EXPECT_FALSE(result_.has_value());
    port_.complete({requests_.list[1].id, 0, {}});
    EXPECT_EQ(result_, EIO);
}

TEST_F(VolumePortTest, GathersTheDataOfALargeReadWhereverItWas) {
    const io::Slice room = pool_.allocate_slice(2 * kMebibyte);
    submit(Op::Read, 0, 2 * kMebibyte, room);
    ASSERT_EQ(requests_.list.size(), 2u);
    const io::Slice elsewhere = pool_.allocate_slice(kMebibyte);
    std::memset(elsewhere.bytes().data(), 0x22, kMebibyte);
    std::memset(requests_.list[0].payload.bytes().data(), 0x11, kMebibyte);
    port_.complete({requests_.list[1].id, 0, elsewhere});
    port_.complete({requests_.list[0].id, 0, requests_.list[0].payload});
    ASSERT_EQ(result_, 0);
    EXPECT_EQ(data_.bytes().data(), room.bytes().data());
    EXPECT_EQ(room.bytes()[0], 0x11);
    EXPECT_EQ(room.bytes()[2 * kMebibyte - 1], 0x22);
}

TEST_F(VolumePortTest, HandsTheDataOfAWholeReadOnWithoutCopying) {
    submit(Op::Read, 0, 4096, pool_.allocate_slice(4096));
    const io::Slice elsewhere = pool_.allocate_slice(4096);
    port_.complete({requests_.list[0].id, 0, elsewhere});
    EXPECT_EQ(data_.bytes().data(), elsewhere.bytes().data());
}

TEST_F(VolumePortTest, FeedsALargeDiscardInBoundedPortions) {
    status_.size_sectors = 1024 * kMebibyte / 512;
    port_.update(status_);
    submit(Op::Discard, 0, 1024 * kMebibyte);
    EXPECT_EQ(requests_.list.size(), 16u);
    std::uint64_t bytes = 0;
    for (std::size_t next = 0; next < requests_.list.size(); ++next) {
        const engine::AppRequest request = requests_.list[next];
        EXPECT_LE(request.length, engine::kMaxAppDiscardBytes);
        bytes += request.length;
        EXPECT_FALSE(result_.has_value());
        port_.complete({request.id, 0, {}});
    }
    EXPECT_EQ(bytes, 1024 * kMebibyte);
    EXPECT_EQ(result_, 0);
}

// A peer with larger sectors may come while users keep to the smaller ones.
TEST_F(VolumePortTest, TakesSectorsWhateverBlockItAnnounces) {
    status_.logical_block_bytes = 4096;
    port_.update(status_);
    EXPECT_EQ(port_.info().block_bytes, 4096u);
    submit(Op::Write, 512, 1024, pool_.allocate_slice(1024));
    ASSERT_EQ(requests_.list.size(), 1u);
    EXPECT_EQ(requests_.list[0].sector.value, 1u);
    EXPECT_EQ(requests_.list[0].length, 1024u);
}

TEST_F(VolumePortTest, RefusesWhatDoesNotFitTheDevice) {
    const std::uint64_t end = 64 * kMebibyte;
    const io::Slice block = pool_.allocate_slice(4096);
    EXPECT_EQ(refusal(Op::Write, end, 4096, block), ENOSPC);
    EXPECT_EQ(refusal(Op::Write, end - 512, 4096, block), ENOSPC);
    EXPECT_EQ(refusal(Op::WriteZeroes, end, 4096), ENOSPC);
    EXPECT_EQ(refusal(Op::Read, end, 4096, block), EINVAL);
    EXPECT_EQ(refusal(Op::Discard, 0, ~0ull / 512 * 512), EINVAL);
    EXPECT_EQ(refusal(Op::Read, 100, 4096, block), EINVAL);
    EXPECT_EQ(refusal(Op::Read, 0, 100, block), EINVAL);
    EXPECT_EQ(refusal(Op::Read, 0, 0, block), EINVAL);
    EXPECT_EQ(refusal(Op::Write, 0, 8192, block), EINVAL);
}

TEST_F(VolumePortTest, SaysReadOnlyWhileSecondary) {
    status_.state.role = engine::Role::Secondary;
    port_.update(status_);
    EXPECT_EQ(refusal(Op::Read, 0, 4096, pool_.allocate_slice(4096)), EROFS);
    EXPECT_EQ(refusal(Op::Flush, 0, 0), EROFS);
}

TEST_F(VolumePortTest, KnowsWhoUsesIt) {
    EXPECT_TRUE(port_.open(true, "NBD client 1"));
    EXPECT_TRUE(port_.open(true, "NBD client 2"));
    EXPECT_TRUE(port_.open(false, "NBD client 1"));
    EXPECT_EQ(port_.users_text(), "NBD client 1 (2 times), NBD client 2");
    port_.close("NBD client 1");
    port_.close("NBD client 1");
    EXPECT_EQ(port_.users_text(), "NBD client 2");
    port_.close("NBD client 2");
    EXPECT_EQ(port_.users(), 0u);
}

TEST_F(VolumePortTest, LetsNobodyInWhileItIsNotUsableOrBeingDemoted) {
    port_.forbid_open(true);
    EXPECT_EQ(port_.open(true, "x").error().text,
              "drbd7 (volume 1 of resource r0) is being demoted");
    port_.forbid_open(false);
    status_.usable = false;
    port_.update(status_);
    EXPECT_EQ(port_.open(true, "x").error().text,
              "drbd7 (volume 1 of resource r0) has no access to good data");
    status_.state.role = engine::Role::Secondary;
    port_.update(status_);
    EXPECT_EQ(port_.open(true, "x").error().text,
              "drbd7 (volume 1 of resource r0) is Secondary: promote it with 'drbdadm primary' "
              "first");
}

}  // namespace
}  // namespace runtime
