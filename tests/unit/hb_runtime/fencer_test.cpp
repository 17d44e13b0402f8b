#include "heartbeat/runtime/fencer.h"

#include "tests/unit/hb_runtime/folder.h"

#include <boost/asio/io_context.hpp>
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

class Quiet : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

// A `stonith` that writes down how it was called.
class Device : public testing::Test {
protected:
    Device()
        : programs(children, {"PATH=" + folder.path() + ":/usr/bin:/bin"}),
          fencer(std::nullopt, folder.path(), programs, log) {
        folder.write("stonith",
                     "#!/bin/sh\necho \"$@\" > " + folder.path() +
                         "/words\nwhile [ \"$1\" != -F ]; do shift; done\ncat \"$2\" > " +
                         folder.path() + "/parameters\nstat -c %a \"$2\" > " + folder.path() +
                         "/mode\n",
                     0755);
    }

    std::string reset(const std::string& node) {
        std::string answer = "none";
        fencer.reset(++last, node, [&](bool ok, const std::string& text) {
            answer = ok ? "ok" : text;
            io.stop();
        });
        io.restart();
        io.run_for(std::chrono::seconds(10));
        return answer;
    }

    const Folder folder;
    Quiet log;
    boost::asio::io_context io{1};
    hb::ChildRunner children{io, log};
    hb::Programs programs;
    hb::Fencer fencer;
    hb::Fencer::FenceId last = 0;
};

TEST_F(Device, ItsParametersAreOnNoCommandLine) {
    hb::FencingDevice device;
    device.type = "apcmaster";
    device.parameters = "10.0.0.9 admin s3cret";
    fencer.set(device);
    EXPECT_EQ(reset("bob"), "ok");
    const std::string words = folder.read("words");
    EXPECT_EQ(words.find("s3cret"), std::string::npos) << words;
    EXPECT_NE(words.find("-T reset bob"), std::string::npos) << words;
    EXPECT_EQ(folder.read("parameters"), "10.0.0.9 admin s3cret\n");
    EXPECT_EQ(folder.read("mode"), "600\n");
}

TEST_F(Device, OfAFileIsReadByTheToolItself) {
    hb::FencingDevice device;
    device.type = "apcmaster";
    device.config_file = folder.write("apc.conf", "# ours\n10.0.0.9 admin s3cret\n", 0600);
    fencer.set(device);
    EXPECT_EQ(reset("bob"), "ok");
    EXPECT_NE(folder.read("words").find("-F " + device.config_file), std::string::npos);
}

// It comes by a reload, or goes.
TEST_F(Device, IsTheOneThatIsSet) {
    EXPECT_NE(reset("bob").find("no fencing device"), std::string::npos);
    hb::FencingDevice device;
    device.fence_command = "/bin/true";
    fencer.set(device);
    EXPECT_EQ(reset("bob"), "ok");
    fencer.set(std::nullopt);
    EXPECT_NE(reset("bob").find("no fencing device"), std::string::npos);
}

}  // namespace
