// The border between engine and runtime, on disks that answer late or not at all: whatever
// administrators are told meanwhile, a disk belongs to the engine from its Attach until its
// CloseDisk or AbandonDisk. Design note "commands and time-outs".
#include "drbdd/runtime/resource_core.h"

#include "drbdd/runtime/system_challenges.h"
#include "meta/activity_log.h"
#include "meta/geometry.h"
#include "meta/recovery.h"
#include "tests/unit/runtime/fake_ring.h"
#include "tests/unit/runtime/temporary.h"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace runtime::border {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Op = io::BlockRequest::Op;

constexpr std::uint64_t kDiskBytes = 1u << 20;
constexpr std::size_t kBlock = 4096;
constexpr engine::VolumeNumber kVolume{0};

class NoLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

// Remembers what it was told.
class NoNode : public DeviceNode {
public:
    using Calls = std::shared_ptr<std::vector<std::string>>;

    explicit NoNode(Calls calls) : calls_(std::move(calls)) {}

    void reserve() override { calls_->push_back("reserve"); }

    void vacate() override { calls_->push_back("vacate"); }

    base::Result<void> attach(std::uint32_t) override {
        calls_->push_back("attach");
        return {};
    }

    base::Result<void> detach() override {
        calls_->push_back("detach");
        return {};
    }

    base::Result<void> resize(std::uint64_t) override { return {}; }

    std::string in_use() override { return ""; }

    std::string frontend() override { return "none"; }

private:
    Calls calls_;
};

class NoExport : public Export {
public:
    explicit NoExport(boost::asio::io_context& context) : context_(context) {}

    base::Result<void> start() override { return {}; }

    void stop(std::function<void()> stopped) override { boost::asio::post(context_, stopped); }

private:
    boost::asio::io_context& context_;
};

// As after create-md, with data that are good.
std::string make_disk(const TemporaryFolder& folder, const std::string& name) {
    const std::string path = folder.make_file(name, kDiskBytes);
    const meta::Layout layout = *meta::internal_layout(kDiskBytes);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](base::Sector sector, const std::vector<std::uint8_t>& bytes) {
        file.seekp(static_cast<std::streamoff>(base::to_bytes(sector)));
        file.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    };
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    meta::initialized_block(block);
    for (std::uint64_t s = 0; s < layout.al_sectors; s += meta::kSectorsPerBlock) {
        put({layout.al_sector.value + s}, block);
    }
    meta::Superblock superblock = meta::fresh_superblock(layout);
    superblock.current_uuid = 0x5eed5eed5eed5e00;
    superblock.flags |= meta::kMdConsistent | meta::kMdWasUpToDate;
    superblock.la_size_sectors = layout.usable_sectors;
    meta::encode(superblock, block);
    put(layout.superblock_sector, block);
    return path;
}

config::ResourceSettings settings_for(const std::string& disk) {
    config::ResourceSettings settings;
    settings.name = "r0";
    settings.node = "alice";
    settings.peer = "bob";
    settings.address.ip = "127.0.0.1";
    settings.peer_address.ip = "127.0.0.2";
    config::VolumeSettings volume;
    volume.device = "/dev/drbd10";
    volume.minor = 10;
    volume.disk = disk;
    settings.volumes.push_back(volume);
    return settings;
}

// What an administrator has heard.
struct Told {
    bool answered = false;
    AdminReply reply;

    bool done() const { return answered && reply.code == 0; }
};

// One resource without a peer, driven by a seed or by hand.
class Rig {
public:
    Rig(boost::asio::io_context& context, const std::string& disk, std::uint64_t seed)
        : ring(seed),
          context_(context),
          prng_(seed),
          surroundings_{
              log_,
              handlers_,
              challenges_,
              {[this](boost::asio::io_context& c, io::BlockDevice& device, const VolumeIdentity&) {
                   device_ = &device;
                   return std::make_unique<NoExport>(c);
               },
               [this](const VolumeIdentity&) { return std::make_unique<NoNode>(node_calls); }},
              [](const SnapshotPtr&) {},
              [](const HandlerEvent&) {}},
          core(std::make_unique<ResourceCore>(
              context, ring, pool_, worker_, settings_for(disk), surroundings_, snapshot_)) {
        EXPECT_TRUE(core->start());
    }

    AdminCallback tell(const std::shared_ptr<Told>& told) {
        return [told](AdminReply reply) {
            EXPECT_FALSE(told->answered) << "answered twice";
            told->answered = true;
            told->reply = std::move(reply);
        };
    }

    std::shared_ptr<Told> attach() {
        const auto told = std::make_shared<Told>();
        core->attach(kVolume, std::nullopt, tell(told));
        return told;
    }

    std::shared_ptr<Told> detach(bool force) {
        const auto told = std::make_shared<Told>();
        core->command(engine::Detach{kVolume, force}, tell(told));
        return told;
    }

    std::shared_ptr<Told> promote() {
        const auto told = std::make_shared<Told>();
        core->promote(engine::Promote{}, tell(told));
        return told;
    }

    std::shared_ptr<Told> demote() {
        const auto told = std::make_shared<Told>();
        core->demote(tell(told));
        return told;
    }

    // Of one block, filled with `value`; several may be on their way, to different blocks.
    void write(std::size_t block, int value) {
        std::set<int>& possible = values_of(block);
        const io::Slice slice = pool_.allocate_slice(kBlock);
        std::memset(slice.bytes().data(), value, kBlock);
        possible.insert(value);
        submit(Op::Write, block, slice, [&possible, value](int error, const io::Slice&) {
            if (error == 0) {
                possible = {value};
            }
        });
    }

    void read(std::size_t block) {
        std::set<int>& possible = values_of(block);
        const io::Slice slice = pool_.allocate_slice(kBlock);
        submit(Op::Read, block, slice, [&possible, block](int error, const io::Slice& data) {
            if (error == 0) {
                EXPECT_TRUE(possible.contains(data.bytes()[0])) << "wrong data in block " << block;
            }
        });
    }

    void flush() {
        submit(Op::Flush, kNoBlock, {}, [](int, const io::Slice&) {});
    }

    io::BlockDevice& device() { return *device_; }

    bool busy(std::size_t block) const { return busy_.contains(block); }

    std::size_t open_requests() const { return requests_; }

    engine::VolumeStatus status() const { return snapshot_.get()->status.volumes.front(); }

    engine::DiskState disk() const { return status().state.disk; }

    engine::Role role() const { return snapshot_.get()->status.role; }

    bool free() const { return free_; }

    // demote, down, stop: everything ends in order.
    void end() {
        core->demote([this](const AdminReply& demoted) {
            EXPECT_TRUE(demoted.code == 0 || demoted.still_running) << demoted.text;
            core->command_to_its_end(engine::Down{}, [this](const AdminReply& reply) {
                if (!reply.still_running) {
                    EXPECT_EQ(reply.code, 0) << reply.text;
                    core->stop([this] { core->when_disks_free([this] { free_ = true; }); });
                }
            });
        });
    }

    base::Prng& prng() { return prng_; }

    FakeRing ring;
    NoNode::Calls node_calls = std::make_shared<std::vector<std::string>>();

private:
    static constexpr std::size_t kNoBlock = ~std::size_t{0};

    std::set<int>& values_of(std::size_t block) {
        return possible_.try_emplace(block, std::set<int>{0}).first->second;  // empty at first
    }

    void submit(Op op,
                std::size_t block,
                const io::Slice& slice,
                std::function<void(int, const io::Slice&)> then) {
        ++requests_;
        busy_.insert(block);
        io::BlockRequest request;
        request.op = op;
        request.offset = op == Op::Flush ? 0 : block * kBlock;
        request.length = op == Op::Flush ? 0 : kBlock;
        request.payload = slice;
        request.done = [this, block, then = std::move(then)](int error, const io::Slice& data) {
            --requests_;
            busy_.erase(block);
            then(error, data);
        };
        device_->submit(std::move(request));
    }

    boost::asio::io_context& context_;
    base::Prng prng_;
    NoLog log_;
    HandlerRunner handlers_{log_};
    RingBufferPool pool_;
    Worker worker_;
    PublishedSnapshot snapshot_;
    io::BlockDevice* device_ = nullptr;
    SystemChallenges challenges_;
    Surroundings surroundings_;
    std::map<std::size_t, std::set<int>> possible_;  // values that a block may show
    std::set<std::size_t> busy_;
    std::size_t requests_ = 0;
    bool free_ = false;

public:
    std::unique_ptr<ResourceCore> core;
};

class ResourceCoreTest : public ::testing::Test {
protected:
    Rig& add(std::uint64_t seed) {
        const std::string disk = make_disk(folder_, "disk" + std::to_string(seed));
        rigs_.push_back(std::make_unique<Rig>(context_, disk, seed));
        return *rigs_.back();
    }

    void turn() {
        context_.restart();
        context_.run_for(1ms);
        for (const auto& rig : rigs_) {
            rig->ring.run();
        }
    }

    template <typename Condition>
    bool run_until(Condition condition, std::chrono::seconds limit = 20s) {
        const auto end = Clock::now() + limit;
        while (!condition() && Clock::now() < end) {
            turn();
        }
        return condition();
    }

    void TearDown() override {
        for (const auto& rig : rigs_) {
            rig->ring.stuck = false;
            rig->ring.slowness = 0ms;
            rig->ring.errors = 0;
        }
        EXPECT_TRUE(run_until([&] {
            return std::all_of(rigs_.begin(), rigs_.end(), [](const auto& rig) {
                return rig->open_requests() == 0;
            });
        })) << "requests were forgotten";
        for (const auto& rig : rigs_) {
            rig->end();
        }
        EXPECT_TRUE(run_until([&] {
            return std::all_of(
                rigs_.begin(), rigs_.end(), [](const auto& rig) { return rig->free(); });
        })) << "a resource does not end";
        rigs_.clear();
    }

    TemporaryFolder folder_;
    boost::asio::io_context context_{1};
    std::vector<std::unique_ptr<Rig>> rigs_;
};

// On a slow machine a script asks again before the first demotion has given up on the device's
// user.
TEST_F(ResourceCoreTest, WhoAsksAgainForADemotionWaitsForTheFirst) {
    Rig& rig = add(1);
    const auto attach = rig.attach();
    ASSERT_TRUE(run_until([&] { return attach->done(); }));
    const auto promote = rig.promote();
    ASSERT_TRUE(run_until([&] { return promote->done(); }));
    ASSERT_TRUE(rig.device().open(true, "a user"));
    const auto first = rig.demote();
    for (int i = 0; i < 20; ++i) {
        turn();
    }
    const auto second = rig.demote();
    ASSERT_TRUE(run_until([&] { return first->answered && second->answered; })) << "forgotten";
    EXPECT_EQ(first->reply.code, -12);
    EXPECT_EQ(second->reply.code, -12);
    rig.device().close("a user");
    const auto third = rig.demote();
    ASSERT_TRUE(run_until([&] { return third->answered; }));
    EXPECT_TRUE(third->done()) << third->reply.text;
}

TEST_F(ResourceCoreTest, ADeviceHasItsNameFromTheBeginningToTheEnd) {
    Rig& rig = add(1);
    const NoNode::Calls calls = rig.node_calls;
    EXPECT_EQ(*calls, (std::vector<std::string>{"reserve"}));
    const auto attach = rig.attach();
    ASSERT_TRUE(run_until([&] { return attach->done(); }));
    const auto promote = rig.promote();
    ASSERT_TRUE(run_until([&] { return promote->done(); }));
    rig.end();
    ASSERT_TRUE(run_until([&] { return rig.free(); }));
    rigs_.clear();
    calls->erase(std::unique(calls->begin(), calls->end()), calls->end());
    EXPECT_EQ(*calls, (std::vector<std::string>{"reserve", "attach", "detach", "vacate"}));
}

// The answer is given up, the attach is not.
TEST_F(ResourceCoreTest, ASlowAttachIsOneThingForEngineAndRuntime) {
    Rig& rig = add(1);
    rig.ring.stuck = true;
    const auto attach = rig.attach();
    ASSERT_TRUE(run_until([&] { return attach->answered; }));
    EXPECT_TRUE(attach->reply.still_running);
    EXPECT_NE(attach->reply.text.find("may still happen"), std::string::npos);
    const auto second = rig.attach();
    ASSERT_TRUE(run_until([&] { return second->answered; }));
    EXPECT_EQ(second->reply.code, 124);
    rig.ring.stuck = false;
    EXPECT_TRUE(run_until([&] { return rig.disk() == engine::DiskState::UpToDate; }));
    const auto promotion = rig.promote();
    ASSERT_TRUE(run_until([&] { return promotion->answered; }));
    EXPECT_EQ(promotion->reply.code, 0) << promotion->reply.text;
}

// The engine has not heard of the disk yet: it must not hear of it afterwards.
TEST_F(ResourceCoreTest, ADetachWhileTheDeviceIsBeingOpenedKeepsItAway) {
    Rig& rig = add(4);
    const auto attach = rig.attach();
    const auto detach = rig.detach(false);
    ASSERT_TRUE(run_until([&] { return attach->answered && detach->answered; }));
    EXPECT_EQ(detach->reply.code, 0);
    EXPECT_NE(attach->reply.code, 0);
    ASSERT_TRUE(run_until([&] { return rig.core->disks_free(); }));
    EXPECT_EQ(rig.disk(), engine::DiskState::Diskless);
    const auto again = rig.attach();
    ASSERT_TRUE(run_until([&] { return again->answered; }));
    EXPECT_EQ(again->reply.code, 0) << again->reply.text;
}

TEST_F(ResourceCoreTest, AForcedDetachDoesNotWaitForTheDisk) {
    Rig& rig = add(2);
    const auto attach = rig.attach();
    ASSERT_TRUE(run_until([&] { return attach->done(); }));
    const auto promotion = rig.promote();
    ASSERT_TRUE(run_until([&] { return promotion->done(); }));
    rig.ring.stuck = true;
    rig.write(3, 7);
    rig.read(4);
    rig.flush();
    ASSERT_TRUE(run_until([&] { return rig.ring.in_flight() > 0; }));
    const auto before = Clock::now();
    const auto detach = rig.detach(true);
    ASSERT_TRUE(run_until([&] { return detach->answered && rig.open_requests() == 0; }));
    EXPECT_LT(Clock::now() - before, 700ms) << "it waited for a time-out";
    EXPECT_EQ(detach->reply.code, 0);
    EXPECT_EQ(rig.disk(), engine::DiskState::Diskless);
    EXPECT_GT(rig.ring.in_flight(), 0u);
    // The old disk may still be written to: nobody gets it.
    const auto too_early = rig.attach();
    ASSERT_TRUE(run_until([&] { return too_early->answered; }));
    EXPECT_EQ(too_early->reply.code, 114) << too_early->reply.text;
    rig.ring.stuck = false;
    ASSERT_TRUE(run_until([&] { return rig.ring.in_flight() == 0 && rig.core->disks_free(); }));
    const auto again = rig.attach();
    ASSERT_TRUE(run_until([&] { return again->answered; }));
    EXPECT_EQ(again->reply.code, 0) << again->reply.text;
}

TEST_F(ResourceCoreTest, ADownAfterAForcedDetachWaitsForTheKernelBeforeItsMemoryGoes) {
    Rig& rig = add(3);
    const auto attach = rig.attach();
    ASSERT_TRUE(run_until([&] { return attach->done(); }));
    rig.ring.stuck = true;
    const auto promotion = rig.promote();
    ASSERT_TRUE(run_until([&] { return promotion->answered; }));
    EXPECT_TRUE(promotion->reply.still_running);
    const auto detach = rig.detach(true);
    ASSERT_TRUE(run_until([&] { return detach->done(); }));
    rig.end();
    EXPECT_FALSE(run_until([&] { return rig.free(); }, 1s));
    rig.ring.stuck = false;
    EXPECT_TRUE(run_until([&] { return rig.free(); }));
    rigs_.clear();
}

// Anything at any time: disks that hang and come back, errors, attach, detach, roles, requests. All
// seeds live beside each other, so that their waiting costs no more than one's.
TEST_F(ResourceCoreTest, RandomRunsNeverLoseADiskARequestOrAnAnswer) {
    constexpr std::uint64_t kSeeds = 24;

    struct Player {
        Rig* rig;
        std::shared_ptr<Told> command = std::make_shared<Told>(Told{true, {}});
        std::shared_ptr<Told> disk_command = std::make_shared<Told>(Told{true, {}});
        bool promoting = false;  // the last command on roles, of a Secondary
        int value = 0;
    };

    std::vector<Player> players;
    for (std::uint64_t seed = 100; seed < 100 + kSeeds; ++seed) {
        players.push_back({&add(seed)});
    }
    const auto move = [](Player& player) {
        Rig& rig = *player.rig;
        base::Prng& prng = rig.prng();
        const std::uint64_t choice = prng.below(100);
        const std::size_t block = prng.below(16);
        if (choice < 60 && !rig.busy(block)) {
            choice % 2 == 0 ? rig.write(block, ++player.value % 256) : rig.read(block);
        } else if (choice < 64) {
            rig.ring.stuck = !rig.ring.stuck;
        } else if (choice < 66) {
            rig.ring.slowness = prng.chance(0.5) ? 0ms : 200ms;
        } else if (choice < 67) {
            rig.ring.errors = prng.chance(0.8) ? 0 : 0.1;
        } else if (choice < 70) {
            rig.flush();
        } else if (choice < 85 && player.disk_command->answered) {
            player.disk_command = prng.chance(0.6) ? rig.attach() : rig.detach(prng.chance(0.5));
        } else if (choice < 92 && player.command->answered) {
            const bool promote = prng.chance(0.7);
            player.promoting = promote && rig.role() == engine::Role::Secondary;
            player.command = promote ? rig.promote() : rig.demote();
        }
    };
    const auto look = [](const Player& player) {
        const Told& role = *player.command;
        const bool refused = role.answered && role.reply.code != 0 && !role.reply.still_running;
        EXPECT_FALSE(player.promoting && refused && player.rig->role() == engine::Role::Primary)
            << "Primary after a refusal: " << role.reply.text;
    };
    const auto end = Clock::now() + 4s;
    while (Clock::now() < end && !HasFailure()) {
        for (Player& player : players) {
            if (player.rig->prng().chance(0.5)) {
                move(player);
            }
            look(player);
        }
        turn();
    }
    EXPECT_TRUE(run_until([&] {
        return std::all_of(players.begin(), players.end(), [](const Player& player) {
            return player.command->answered && player.disk_command->answered;
        });
    })) << "a command is not answered";
}

}  // namespace
}  // namespace runtime::border
