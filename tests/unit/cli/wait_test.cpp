#include "cli/common/wait.h"

#include "cli/common/outcome.h"
#include "tests/unit/cli/fake_daemon.h"

#include <gtest/gtest.h>

namespace {

using cli::WaitFor;

control::ResourceStatus disconnected(const std::string& cstate = "WFConnection") {
    control::ResourceStatus resource = sample_r1();
    resource.connections[0].cstate = cstate;
    resource.connections[0].peer_devices[0].cstate = cstate;
    resource.connections[0].peer_devices[0].peer_disk = "DUnknown";
    return resource;
}

// Tells what exists before, and what changes until after.
FakeDaemon::Answer changing(const control::ResourceStatus& before,
                            const control::ResourceStatus& after) {
    return [=](const control::Request& request) {
        std::vector<std::string> lines = answers_with({{before}})(request);
        for (const control::Event& event : control::change_events(&before, &after)) {
            lines.push_back(control::event_line(request.id, event));
        }
        return lines;
    };
}

int wait(FakeDaemon& daemon,
         WaitFor what,
         const control::ResourceStatus& resource,
         const config::StartupSettings& timeouts = {}) {
    cli::Client client(daemon.run_dir());
    return cli::wait_for(client, resource, 0, what, timeouts);
}

TEST(Wait, ForTheConnectionEndsWhenItIsThere) {
    FakeDaemon daemon(changing(disconnected(), sample_r1()));
    EXPECT_EQ(wait(daemon, WaitFor::Connect, disconnected()), 0);
}

TEST(Wait, ForTheSyncEndsWhenItIsDone) {
    control::ResourceStatus syncing = sample_r1();
    syncing.connections[0].peer_devices[0].cstate = "SyncSource";
    FakeDaemon daemon(changing(syncing, sample_r1()));
    EXPECT_EQ(wait(daemon, WaitFor::Sync, syncing), 0);
    EXPECT_EQ(wait(daemon, WaitFor::Connect, syncing), 0);
}

TEST(Wait, EndsWithTheConnectionUnlessToldOtherwise) {
    FakeDaemon daemon(answers_with({{disconnected("StandAlone")}}));
    EXPECT_EQ(wait(daemon, WaitFor::Connect, disconnected("StandAlone")), 0);

    FakeDaemon reconnecting(changing(disconnected("StandAlone"), sample_r1()));
    config::StartupSettings timeouts;
    timeouts.wait_after_sb = true;
    testing::internal::CaptureStderr();
    EXPECT_EQ(wait(reconnecting, WaitFor::Connect, disconnected("StandAlone"), timeouts), 0);
    EXPECT_NE(testing::internal::GetCapturedStderr().find("wait-after-sb"), std::string::npos);
}

TEST(Wait, EndsWhenTheResourceGoes) {
    FakeDaemon daemon([](const control::Request& request) {
        std::vector<std::string> lines = answers_with({{disconnected()}})(request);
        const control::ResourceStatus before = disconnected();
        for (const control::Event& event : control::change_events(&before, nullptr)) {
            lines.push_back(control::event_line(request.id, event));
        }
        return lines;
    });
    testing::internal::CaptureStderr();
    EXPECT_EQ(wait(daemon, WaitFor::Connect, disconnected()), cli::kExitUsage);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "r1: No such resource\n");
}

TEST(Wait, ChoosesTheTimeoutByTheState) {
    config::StartupSettings timeouts;
    timeouts.wfc_timeout = config::Seconds(30);
    timeouts.degr_wfc_timeout = config::Seconds(20);
    timeouts.outdated_wfc_timeout = config::Seconds(10);
    control::ResourceStatus resource = disconnected();
    EXPECT_EQ(cli::choose_timeout(timeouts, resource).count(), 30);
    resource.degraded = true;
    EXPECT_EQ(cli::choose_timeout(timeouts, resource).count(), 20);
    timeouts.degr_wfc_timeout = config::Seconds(0);
    testing::internal::CaptureStderr();
    EXPECT_EQ(cli::choose_timeout(timeouts, resource).count(), 30);
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "degr-wfc-timeout has to be shorter than wfc-timeout\n"
              "degr-wfc-timeout implicitly set to wfc-timeout (30s)\n");
    resource.connections[0].peer_devices[0].peer_disk = "Outdated";
    EXPECT_EQ(cli::choose_timeout(timeouts, resource).count(), 10);
}

TEST(Client, SaysThatNoDaemonRunsAndWhereItLooked) {
    const TempDir dir;
    cli::Client client(dir.path());
    const auto reply = client.call({});
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code, base::ErrorCode::NotFound);
    EXPECT_NE(reply.error().text.find(dir.path() + "/drbdd.sock"), std::string::npos);
}

TEST(Client, GivesUpOnADaemonThatDoesNotAnswer) {
    FakeDaemon daemon([](const control::Request&) { return std::vector<std::string>(); });
    cli::Client client(daemon.run_dir(), std::chrono::milliseconds(10));
    const auto reply = client.call({});
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code, base::ErrorCode::Timeout);
    EXPECT_NE(reply.error().text.find("drbdd.sock"), std::string::npos);
}

TEST(Client, RefusesRubbishAndLinesWithoutEnd) {
    FakeDaemon rubbish([](const control::Request&) { return std::vector<std::string>{"[]\n"}; });
    cli::Client first(rubbish.run_dir());
    EXPECT_EQ(first.call({}).error().code, base::ErrorCode::Invalid);
}

}  // namespace
