#include "heartbeat/runtime/fencer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace {

using Words = std::vector<std::string>;

TEST(Fencer, ParametersAreTheFirstLineThatIsNoComment) {
    EXPECT_EQ(hb::first_parameter_line("# comment\n\n  a b c \r\nmore\n"), "a b c");
    EXPECT_EQ(hb::first_parameter_line("# only\n"), "");
}

TEST(Fencer, PluginGetsItsParametersByName) {
    EXPECT_EQ(hb::plugin_variables("hostname ipaddr userid\n", "bob 10.0.0.9 admin"),
              (Words{"hostname=bob", "ipaddr=10.0.0.9", "userid=admin"}));
}

TEST(Fencer, LastParameterTakesWhatIsLeft) {
    EXPECT_EQ(hb::plugin_variables("hostlist", "alice bob"), (Words{"hostlist=alice bob"}));
}

TEST(Fencer, NamedParametersStayAsTheyAre) {
    EXPECT_EQ(hb::plugin_variables("hostlist ip", "ip=10.0.0.9 x=y"),
              (Words{"ip=10.0.0.9", "hostlist=x=y"}));
}

TEST(Fencer, NoDeviceIsNone) {
    const auto device = hb::fencing_device({}, {}, "alice");
    ASSERT_TRUE(device);
    EXPECT_FALSE(*device);
}

TEST(Fencer, DeviceReadsItsFile) {
    std::string path = "/tmp/hb_stonith_XXXXXX";
    ::close(::mkstemp(path.data()));
    std::ofstream(path) << "# plug\nbob 10.0.0.9\n";
    config::HaCf conf;
    conf.stonith.push_back({"", "external/plug", path, ""});
    const auto device = hb::fencing_device(conf, {}, "alice");
    ::unlink(path.c_str());
    ASSERT_TRUE(device);
    ASSERT_TRUE(*device);
    EXPECT_EQ((*device)->parameters, "bob 10.0.0.9");
    const auto missing = hb::fencing_device(conf, {}, "alice");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().text.find(path), std::string::npos);
}

}  // namespace
