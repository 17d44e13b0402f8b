// What a daemon leaves behind that ends without a word, and what its successor believes of it.
#include "heartbeat/runtime/life_file.h"

#include "heartbeat/runtime/heard_file.h"
#include "heartbeat/runtime/last_words.h"
#include "tests/unit/hb_runtime/folder.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace hb;
using std::chrono::milliseconds;

Life life_of_alice() {
    Life life;
    life.boot = "4c0f";
    life.node = "alice";
    life.generation = 17;
    life.sequence = 4711;
    life.status = "active";
    life.hold = Hold::all;
    life.deadtime = milliseconds(2000);
    life.until = milliseconds(100'000);
    life.partner = {"bob", 5, 99};
    life.groups = {"IPaddr::10.0.0.1/24/eth0", "drbddisk::r0"};
    life.heard = milliseconds(97'000);
    life.heard_us = milliseconds(96'500);
    life.agents = {{{4711, 99}, AgentOperation::start, "Filesystem::/dev/drbd0::/a b::ext4", 0}};
    return life;
}

TEST(LifeFile, IsReadAsItWasWrittenAlsoWhenItGetsShorter) {
    const Folder folder;
    LifeFile file(folder.path());
    Life life = life_of_alice();
    ASSERT_TRUE(file.write(life));

    struct stat found {};

    ASSERT_EQ(::stat((folder.path() + "/heartbeat.life").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777u, 0600u);
    life.groups.pop_back();
    life.hold = Hold::foreign;
    ASSERT_TRUE(file.write(life));
    const auto read = LifeFile::read(folder.path());
    ASSERT_TRUE(read);
    EXPECT_EQ(life_text(*read), life_text(life));
    EXPECT_EQ(read->groups.size(), 1u);
    EXPECT_EQ(read->partner.sequence, 99u);
    file.remove();
    EXPECT_FALSE(LifeFile::read(folder.path()));
}

TEST(LifeFile, APieceOfItIsWorthNothing) {
    const std::string text = life_text(life_of_alice());
    for (std::size_t length = 0; length < text.size() - 1; ++length) {
        EXPECT_FALSE(parse_life(text.substr(0, length))) << length;
    }
    EXPECT_FALSE(parse_life("boot x\nhold everything\nend\n"));
}

TEST(LifeFile, IsNotWrittenThroughALink) {
    const Folder folder;
    const std::string victim = folder.write("victim", "precious");
    ASSERT_EQ(::symlink(victim.c_str(), (folder.path() + "/heartbeat.life").c_str()), 0);
    LifeFile file(folder.path());
    EXPECT_FALSE(file.write(life_of_alice()));
    EXPECT_TRUE(file.write(life_of_alice())) << "told once";
    EXPECT_EQ(folder.read("victim"), "precious");
}

TEST(LifeFile, ItsHoldIsInheritedWhileThePartnerMustTakeUsForAlive) {
    const Life life = life_of_alice();
    EXPECT_EQ(inherited_hold(life, "4c0f", "alice", milliseconds(99'999)), Hold::all);
    EXPECT_EQ(inherited_hold(life, "4c0f", "alice", milliseconds(100'000)), Hold::none);
    EXPECT_EQ(inherited_hold(life, "another", "alice", milliseconds(99'999)), Hold::none);
    EXPECT_EQ(inherited_hold(life, "4c0f", "carol", milliseconds(99'999)), Hold::none);
    EXPECT_EQ(inherited_hold(std::nullopt, "4c0f", "alice", milliseconds(0)), Hold::none);
}

TEST(LifeFile, ItsAgentsAreThoseThatLive) {
    Life life = life_of_alice();
    EXPECT_TRUE(living_agents(life, life.boot).empty()) << "of another process";
    life.agents.push_back({process_id(::getpid()), AgentOperation::stop, "mysqld", 0});
    const auto read = parse_life(life_text(life));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->agents.front().resource, life.agents.front().resource);
    const auto living = living_agents(read, life.boot);
    ASSERT_EQ(living.size(), 1u);
    EXPECT_EQ(living[0].resource, "mysqld");
    EXPECT_EQ(living[0].operation, AgentOperation::stop);
    EXPECT_EQ(living[0].job, 1u);
    EXPECT_TRUE(living_agents(read, "another").empty());
    for (const char* bad :
         {"agent 0 1 stop x\nend\n", "agent 1 1 kick x\nend\n", "agent 1 1 stop\nend\n"}) {
        EXPECT_FALSE(parse_life(bad)) << bad;
    }
}

TEST(LifeFile, WhoWasIsolatedGoesOnStoppingInTheTimeThatIsLeft) {
    Life life = life_of_alice();
    Start start;
    start.restart_hold = Hold::all;
    inherit_touch(life, "4c0f", "alice", milliseconds(98'000), start);
    EXPECT_EQ(start.silence, milliseconds(1000));
    EXPECT_EQ(start.unheard, milliseconds(1500));
    EXPECT_FALSE(start.stops_left);
    EXPECT_EQ(start.restart_hold, Hold::all);
    life.stops_until = milliseconds(99'000);
    inherit_touch(life, "another", "alice", milliseconds(98'000), start);
    EXPECT_FALSE(start.stops_left);
    inherit_touch(life, "4c0f", "alice", milliseconds(98'000), start);
    EXPECT_EQ(start.stops_left, milliseconds(1000));
    EXPECT_EQ(start.restart_hold, Hold::none);
}

TEST(HeardFile, KeepsTheLaterWord) {
    const Folder folder;
    {
        HeardFile file(folder.path());
        file.note({"bob", 5, 10}, milliseconds(1));
        file.note({"bob", 5, 20}, milliseconds(2));
        file.close();
    }
    Heard heard = HeardFile::load(folder.path());
    for (int i = 0; i < 100 && heard.sequence != 20; ++i) {
        ::usleep(20'000);  // the first one is written beside us
        HeardFile file(folder.path());
        file.note({"bob", 5, 20}, milliseconds(1));
        file.close();
        heard = HeardFile::load(folder.path());
    }
    EXPECT_EQ(heard.node, "bob");
    EXPECT_EQ(heard.generation, 5u);
    EXPECT_EQ(heard.sequence, 20u);
    EXPECT_EQ(later_of(heard, {"bob", 6, 1}).generation, 6u);
    EXPECT_EQ(later_of({}, heard).sequence, 20u);
    EXPECT_FALSE(parse_heard("bob five 1\n"));
}

TEST(LastWords, CarryOnWhereTheDaemonsOwnEnded) {
    Configuration configuration;
    configuration.settings.ha_cf.nodes = {"alice", "bob"};
    LastWords words(configuration, life_of_alice(), Uuid{});
    const wire::Message pause = words.status(milliseconds(15'000), 1'800'000'000);
    EXPECT_EQ(pause.type(), "status");
    EXPECT_EQ(pause.get("src"), "alice");
    EXPECT_EQ(pause.get("seq"), "1268");
    EXPECT_EQ(pause.get("hg"), "11");
    EXPECT_EQ(pause.get("dt"), "3a98");
    EXPECT_EQ(pause.get("st"), "active");
    EXPECT_EQ(pause.get("heard"), "5.63");
    const wire::Message goodbye = words.goodbye(1'800'000'000);
    EXPECT_EQ(goodbye.type(), "shutdone");
    EXPECT_EQ(goodbye.get("seq"), "1269");
}

}  // namespace
