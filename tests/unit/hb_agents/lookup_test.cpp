#include "heartbeat/agents/agent_lookup.h"
#include "heartbeat/agents/environment.h"
#include "heartbeat/agents/ocf_parameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace {

using namespace hb;
namespace fs = std::filesystem;

using Words = std::vector<std::string>;

class AgentLookup : public ::testing::Test {
protected:
    AgentLookup() {
        std::string pattern = ::testing::TempDir() + "agents-XXXXXX";
        root = ::mkdtemp(pattern.data());
        paths.ha_dir = root + "/ha.d";
        paths.init_dir = root + "/init.d";
        paths.systemd_running = root + "/running";
        paths.unit_dirs = {root + "/units"};
        paths.ocf_root = root + "/ocf";
    }

    ~AgentLookup() override { fs::remove_all(root); }

    void put(const std::string& path, bool executable = true, const std::string& text = "") {
        const fs::path file = root + "/" + path;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
        fs::permissions(file, executable ? fs::perms::owner_all : fs::perms::owner_read);
    }

    AgentCall find(const config::ResourceWord& word, Operation operation) {
        return find_agent(word, operation, paths).value();
    }

    static bool has(const AgentCall& call, const std::string& variable) {
        return std::find(call.variables.begin(), call.variables.end(), variable) !=
               call.variables.end();
    }

    std::string root;
    AgentPaths paths;
};

TEST_F(AgentLookup, GoesThroughThePlacesInOrder) {
    const config::ResourceWord word{"db", {"a", "b c"}, "db::a::b c"};
    const auto refused = find_agent(word, Operation::Start, paths);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find(paths.ha_dir + "/resource.d"), std::string::npos);
    EXPECT_NE(refused.error().text.find("db::a::b c"), std::string::npos);

    put("ocf/resource.d/acme/db");
    EXPECT_FALSE(find_agent(word, Operation::Start, paths));  // no names for its arguments
    EXPECT_EQ(find({"db", {}, "db"}, Operation::Status).argv,
              (Words{root + "/ocf/resource.d/acme/db", "monitor"}));
    put("units/db.service", false);
    EXPECT_EQ(find({"db", {}, "db"}, Operation::Start).kind, AgentKind::Ocf);
    put("running/x");
    EXPECT_EQ(find(word, Operation::Start).argv, (Words{"systemctl", "start", "db.service"}));
    EXPECT_EQ(find(word, Operation::Status).argv, (Words{"systemctl", "is-active", "db.service"}));
    put("init.d/db");
    EXPECT_EQ(find(word, Operation::Stop).argv, (Words{root + "/init.d/db", "a", "b c", "stop"}));
    EXPECT_EQ(find(word, Operation::Stop).kind, AgentKind::Lsb);
    paths.own_dir = root + "/own";
    put("own/db");
    EXPECT_EQ(find(word, Operation::Status).argv, (Words{root + "/own/db", "a", "b c", "status"}));
    put("ha.d/resource.d/db");
    EXPECT_EQ(find(word, Operation::Status).argv,
              (Words{root + "/ha.d/resource.d/db", "a", "b c", "status"}));
    EXPECT_EQ(find(word, Operation::Status).kind, AgentKind::Legacy);
}

TEST_F(AgentLookup, PassesOverWhatIsNotAnExecutableFile) {
    put("ha.d/resource.d/db", false);
    fs::create_directories(root + "/init.d/db");
    // Root may execute nothing that has no x bit at all.
    EXPECT_FALSE(find_agent({"db", {}, "db"}, Operation::Start, paths));
}

TEST_F(AgentLookup, DoesNotLeaveItsFolders) {
    put("ha.d/secret");
    for (const char* name : {"../secret", "..", ".", "", "a/b"}) {
        EXPECT_FALSE(find_agent({name, {}, name}, Operation::Start, paths)) << name;
    }
    put("ocf/resource.d/heartbeat/Dummy");
    EXPECT_FALSE(
        find_agent({"OCF", {"Dummy", "../../x"}, "OCF::Dummy::../../x"}, Operation::Start, paths));
}

TEST_F(AgentLookup, ReadsTheParametersOfAnOcfInstance) {
    put("ocf/resource.d/zeta/Dummy");
    put("ocf/resource.d/heartbeat/Dummy");
    put("ha.d/conf/OCF/Dummy/one", false, "# text\nstate=\"/run/a b\"\nOCF_RESKEY_fake=1 # x\n");
    const AgentCall call = find({"OCF", {"Dummy", "one"}, "OCF::Dummy::one"}, Operation::Status);
    EXPECT_EQ(call.kind, AgentKind::Ocf);
    EXPECT_EQ(call.argv, (Words{root + "/ocf/resource.d/heartbeat/Dummy", "monitor"}));
    EXPECT_TRUE(has(call, "OCF_RESKEY_state=/run/a b"));
    EXPECT_TRUE(has(call, "OCF_RESKEY_fake=1"));
    EXPECT_TRUE(has(call, "OCF_RESOURCE_INSTANCE=one"));
    EXPECT_TRUE(has(call, "OCF_RESOURCE_PROVIDER=heartbeat"));
    EXPECT_TRUE(has(call, "OCF_ROOT=" + root + "/ocf"));
    EXPECT_FALSE(find_agent({"OCF", {"Dummy", "two"}, "OCF::Dummy::two"}, Operation::Start, paths));
}

TEST_F(AgentLookup, NamesAnOcfInstanceSoThatItCanBeAFile) {
    put("ocf/resource.d/heartbeat/exportfs");
    const config::ResourceWord word{"exportfs", {"10.0.0.0/24", "/data"}, "exportfs::..."};
    EXPECT_TRUE(
        has(find(word, Operation::Start), "OCF_RESOURCE_INSTANCE=exportfs_10.0.0.0_24__data"));
}

OcfParameters parameters(const std::string& agent, const Words& args) {
    return ocf_parameters(agent, args).value();
}

TEST(OcfParameters, OfTheWrappersArePositional) {
    EXPECT_EQ(
        parameters("Filesystem", {"/dev/drbd0", "/data", "ext4"}),
        (OcfParameters{{"device", "/dev/drbd0"}, {"directory", "/data"}, {"fstype", "ext4"}}));
    EXPECT_EQ(parameters("IPaddr", {"10.0.0.17/24/eth0:1/10.0.0.255"}),
              (OcfParameters{{"ip", "10.0.0.17"},
                             {"cidr_netmask", "24"},
                             {"nic", "eth0:1"},
                             {"broadcast", "10.0.0.255"}}));
    EXPECT_EQ(
        parameters("IPaddr", {"10.0.0.17/24/10.0.0.255"}),
        (OcfParameters{{"ip", "10.0.0.17"}, {"cidr_netmask", "24"}, {"broadcast", "10.0.0.255"}}));
    EXPECT_EQ(parameters("IPv6addr", {"fd00::5/64"}),
              (OcfParameters{{"ipv6addr", "fd00::5"}, {"cidr_netmask", "64"}}));
    EXPECT_EQ(parameters("SendArp", {"10.0.0.17/eth0"}),
              (OcfParameters{{"ip", "10.0.0.17"}, {"nic", "eth0"}}));
    EXPECT_EQ(parameters("exportfs", {"10.0.0.0/24", "/data", "1", "rw,sync"}),
              (OcfParameters{{"clientspec", "10.0.0.0/24"},
                             {"directory", "/data"},
                             {"fsid", "1"},
                             {"options", "rw,sync"}}));
}

TEST(OcfParameters, MayBeGivenByName) {
    EXPECT_EQ(parameters("pgsql", {"pgdata=/data/pg", "config=a=b"}),
              (OcfParameters{{"pgdata", "/data/pg"}, {"config", "a=b"}}));
    EXPECT_EQ(parameters("pgsql", {}), OcfParameters{});
    EXPECT_FALSE(ocf_parameters("pgsql", {"/data/pg"}));
    EXPECT_FALSE(ocf_parameters("MailTo", {"a", "b", "c"}));
}

TEST(OcfParameters, OfAnInstanceFileAreLinesAndNoProgram) {
    EXPECT_FALSE(parse_ocf_instance("x", "state=/run/a\nrm -rf /tmp/x\n"));
    EXPECT_NE(parse_ocf_instance("x", "a=1\nb c\n").error().text.find("x:2"), std::string::npos);
    EXPECT_EQ(parse_ocf_instance("x", "").value(), OcfParameters{});
}

bool contains(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

TEST(AgentEnvironment, HasTheVariablesOfTheOriginal) {
    AgentEnvironment values;
    values.ha_dir = "/x";
    values.node = "alpha";
    values.own_status = "active";
    values.debug = 1;
    values.tool_dir = "/opt/bin";
    values.extra = {{"COLOUR", "blue"}, {"not a name", "x"}};
    values.inherited = {"DRBDD_RUN_DIR=/r"};
    const Words env = agent_environment(values);
    for (const char* line : {"HA_DIR=/x",
                             "HA_FUNCS=/x/shellfuncs",
                             "HA_RCDIR=/x/rc.d",
                             "HA_RESOURCEDIR=/x/resource.d",
                             "HA_CURHOST=alpha",
                             "HA_OSTATUS=active",
                             "HA_NICEFAILBACK=yes",
                             "HA_LOGD=no",
                             "HA_debug=1",
                             "HA_COLOUR=blue",
                             "DRBDD_RUN_DIR=/r"}) {
        EXPECT_TRUE(contains(env, line)) << line;
    }
    EXPECT_TRUE(std::none_of(env.begin(), env.end(), [](const std::string& line) {
        return line.starts_with("HA_not") || line.starts_with("HA_LOGFILE");
    }));
    values.coordinated = false;
    EXPECT_FALSE(contains(agent_environment(values), "HA_NICEFAILBACK=yes"));
}

TEST(AgentEnvironment, OfAnRcScriptHasTheFieldsOfTheMessage) {
    const Words env = with_message_fields(
        {"A=b"}, {{"t", "status"}, {"st", "dead"}, {"x y", "1"}, {"z", std::string("a\0b", 3)}});
    EXPECT_EQ(env, (Words{"A=b", "HA_t=status", "HA_st=dead"}));
}

}  // namespace
