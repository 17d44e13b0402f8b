// The simulator itself: a disk, a network or a model that is too kind finds nothing.

#include "tests/sim/app_model.h"
#include "tests/sim/random_run.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_pool.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace sim {
namespace {

using namespace std::chrono_literals;

class DiskBench {
public:
    DiskBench()
        : disk(world, Node::Alice, {.size_bytes = 1u << 20, .meta = {}}, base::Sector{1024}) {
        disk.open([this](io::IoId id, int error) { done[id.value] = error; });
    }

    io::DiskOp op(io::DiskOp::Kind kind, std::uint64_t sector, std::uint64_t sectors, int fill) {
        io::DiskOp made;
        made.id = {next++};
        made.kind = kind;
        made.sector = {sector};
        made.length = sectors * 512;
        if (kind == io::DiskOp::Kind::Write || kind == io::DiskOp::Kind::Read) {
            made.buffer = pool.allocate_slice(made.length);
            std::fill_n(made.buffer.bytes().data(), made.length, static_cast<std::uint8_t>(fill));
        }
        return made;
    }

    void run() {
        while (world.has_event_until(io::kNever)) {
            world.run_next();
        }
    }

    void write(std::uint64_t sector, int fill, bool fua = false) {
        io::DiskOp made = op(io::DiskOp::Kind::Write, sector, 8, fill);
        made.fua = fua;
        disk.submit(made);
        run();
    }

    std::set<int> content(std::uint64_t sector, std::uint64_t sectors) {
        std::set<int> values;
        for (std::uint64_t s = sector; s < sector + sectors; ++s) {
            std::array<std::uint8_t, 512> bytes;
            disk.peek({s}, bytes);
            values.insert(bytes[0]);
        }
        return values;
    }

    SimPool pool;
    World world{7};
    SimDisk disk;
    std::map<std::uint64_t, int> done;
    std::uint64_t next = 1;
};

TEST(SimDisk, LosesUnflushedSectorsInAPowerCut) {
    DiskBench bench;
    for (std::uint64_t block = 0; block < 16; ++block) {
        bench.write(block * 8, 1);
    }
    bench.disk.lose_power({.drop_unflushed = 0.5});
    EXPECT_EQ(bench.content(0, 128), (std::set<int>{0, 1}));
}

TEST(SimDisk, KeepsWhatWasFlushedOrForced) {
    DiskBench bench;
    bench.write(0, 1);
    bench.disk.submit(bench.op(io::DiskOp::Kind::Flush, 0, 0, 0));
    bench.run();
    bench.write(8, 2, true);
    bench.disk.lose_power({.drop_unflushed = 1.0});
    EXPECT_EQ(bench.content(0, 8), (std::set<int>{1}));
    EXPECT_EQ(bench.content(8, 8), (std::set<int>{2}));
}

TEST(SimDisk, FlushCoversOnlyWhatWasCompletedBeforeIt) {
    std::set<int> seen;
    for (int i = 0; i < 40; ++i) {
        DiskBench bench;
        bench.world.prng = base::Prng(static_cast<std::uint64_t>(i));
        bench.disk.submit(bench.op(io::DiskOp::Kind::Write, 0, 8, 1));
        bench.disk.submit(bench.op(io::DiskOp::Kind::Flush, 0, 0, 0));
        bench.run();
        bench.disk.lose_power({.drop_unflushed = 1.0});
        const auto values = bench.content(0, 8);
        seen.insert(values.begin(), values.end());
    }
    EXPECT_TRUE(seen.contains(0));
}

TEST(SimDisk, TearsAWriteInFlight) {
    bool torn = false;
    for (std::uint64_t i = 0; i < 40 && !torn; ++i) {
        DiskBench bench;
        bench.world.prng = base::Prng(i);
        bench.disk.submit(bench.op(io::DiskOp::Kind::Write, 0, 64, 1));
        bench.disk.lose_power({.drop_unflushed = 0.0});
        torn = bench.content(0, 64).size() == 2;
    }
    EXPECT_TRUE(torn);
}

TEST(SimDisk, ProcessDeathKeepsTheCache) {
    DiskBench bench;
    bench.write(0, 1);
    bench.disk.lose_process();
    EXPECT_EQ(bench.content(0, 8), (std::set<int>{1}));
}

TEST(SimDisk, FailsTheNthOperationAndBadSectors) {
    DiskBench bench;
    bench.disk.fail_operation(2, EIO);
    bench.write(0, 1);
    bench.write(8, 1);
    bench.disk.add_bad_sector({20});
    bench.disk.submit(bench.op(io::DiskOp::Kind::Read, 16, 8, 0));
    bench.run();
    bench.write(16, 1);
    bench.disk.submit(bench.op(io::DiskOp::Kind::Read, 16, 8, 0));
    bench.run();
    EXPECT_EQ(bench.done,
              (std::map<std::uint64_t, int>{{1, 0}, {2, EIO}, {3, EIO}, {4, 0}, {5, 0}}));
}

TEST(SimDisk, ReportsOverlappingWritesAsViolation) {
    DiskBench bench;
    bench.disk.submit(bench.op(io::DiskOp::Kind::Write, 0, 8, 1));
    bench.disk.submit(bench.op(io::DiskOp::Kind::Write, 4, 8, 2));
    EXPECT_TRUE(bench.world.failed());
}

std::vector<std::uint8_t> sector_with(std::uint64_t sector, Stamp stamp) {
    std::vector<std::uint8_t> bytes(kSectorBytes);
    fill_sector(bytes, sector, stamp);
    return bytes;
}

TEST(Lineage, AcknowledgedWriteMustBeReadBack) {
    Lineage lineage;
    lineage.issued(1, {5}, 1, 11, false);
    lineage.acked(1, false);
    lineage.read_issued(2, {5}, 1);
    EXPECT_EQ(lineage.read_done(2, sector_with(5, 11)), "");
    lineage.read_issued(3, {5}, 1);
    EXPECT_NE(lineage.read_done(3, sector_with(5, kZeroes)), "");
}

TEST(Lineage, WriteInFlightMayOrMayNotBeThere) {
    Lineage lineage;
    lineage.issued(1, {5}, 1, 11, false);
    lineage.failed(1);
    for (const Stamp stamp : {Stamp{11}, kZeroes}) {
        EXPECT_TRUE(lineage.lost([stamp](std::uint64_t) { return stamp; }).empty());
    }
    lineage.issued(2, {5}, 1, 12, false);
    lineage.acked(2, false);
    EXPECT_EQ(lineage.lost([](std::uint64_t) { return Stamp{11}; }).size(), 1u);
}

TEST(Lineage, PowerCutFallsBackToTheLastFlush) {
    Lineage lineage;
    lineage.issued(1, {5}, 1, 11, false);
    lineage.acked(1, false);
    lineage.flushed(lineage.mark());
    lineage.issued(2, {5}, 1, 12, false);
    lineage.acked(2, false);
    lineage.fall_back_to_flushed();
    EXPECT_TRUE(lineage.lost([](std::uint64_t) { return Stamp{11}; }).empty());
    EXPECT_EQ(lineage.lost([](std::uint64_t) { return kZeroes; }).size(), 1u);
}

TEST(SimWorld, SameSeedGivesTheSameTrace) {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const RunResult first = RandomRun(seed, false).run();
        const RunResult second = RandomRun(seed, false).run();
        EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
        hashes.insert(first.hash);
    }
    EXPECT_EQ(hashes.size(), 5u);
}

}  // namespace
}  // namespace sim
