#include "cli/drbdsetup/program.h"
#include "tests/unit/cli/fake_daemon.h"

#include <gtest/gtest.h>

namespace {

struct Outcome {
    int exit = 0;
    std::string out;
    std::string err;
};

Outcome run(const std::string& run_dir, std::vector<std::string> words) {
    words.insert(words.begin(), {"--run-dir", run_dir});
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Outcome result;
    result.exit = drbdsetup::run(words);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

class Drbdsetup : public testing::Test {
protected:
    FakeDaemon daemon{answers_with({{sample_r0(), sample_r1()}})};
};

TEST_F(Drbdsetup, StatusShowsOneOrAll) {
    EXPECT_EQ(run(daemon.run_dir(), {"status", "r1"}).out,
              "r1 role:Secondary\n  disk:UpToDate\n  peer role:Secondary\n"
              "    replication:Established peer-disk:UpToDate\n\n");
    const Outcome all = run(daemon.run_dir(), {"status", "--stat"});  // unique beginnings will do
    EXPECT_EQ(all.exit, 0);
    EXPECT_NE(all.out.find("r0 role:Primary\n"), std::string::npos);
    EXPECT_NE(all.out.find("\nr1 role:Secondary\n"), std::string::npos);
    EXPECT_NE(all.out.find("read:0 written:0"), std::string::npos);
    EXPECT_EQ(run(daemon.run_dir(), {"status", "all", "--json"}).out.substr(0, 2), "[\n");
}

TEST_F(Drbdsetup, StatusOfAnUnknownResourceIs10) {
    const Outcome result = run(daemon.run_dir(), {"status", "nosuch"});
    EXPECT_EQ(result.exit, 10);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, "nosuch: No such resource\n");
}

TEST_F(Drbdsetup, StatesAreAskedByMinorOrDevice) {
    EXPECT_EQ(run(daemon.run_dir(), {"role", "0"}).out, "Primary/Secondary\n");
    EXPECT_EQ(run(daemon.run_dir(), {"cstate", "/dev/drbd0"}).out, "SyncTarget\n");
    EXPECT_EQ(run(daemon.run_dir(), {"dstate", "5"}).out, "UpToDate/UpToDate\n");
    const Outcome unknown = run(daemon.run_dir(), {"dstate", "77"});
    EXPECT_EQ(unknown.exit, 10);
    EXPECT_EQ(unknown.err,
              "77: Failure: (127) Device minor not allocated\n"
              "additional info from kernel:\nunknown minor\n");
    const Outcome strange = run(daemon.run_dir(), {"role", "nosuch"});
    EXPECT_EQ(strange.exit, 20);
    EXPECT_EQ(strange.err, "Cannot determine minor device number of device 'nosuch'\n");
}

TEST_F(Drbdsetup, Events2NowTellsWhatExistsAndEnds) {
    const Outcome result = run(daemon.run_dir(), {"events2", "--now", "r1"});
    EXPECT_EQ(result.exit, 0);
    EXPECT_EQ(result.out,
              "exists resource name:r1 role:Secondary suspended:no\n"
              "exists connection name:r1 peer-node-id:0 conn-name:peer connection:Connected "
              "role:Secondary\n"
              "exists device name:r1 volume:0 minor:5 disk:UpToDate\n"
              "exists peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 "
              "replication:Established peer-disk:UpToDate resync-suspended:no\n"
              "exists -\n");
}

TEST_F(Drbdsetup, TimestampsStandBeforeEachEvent) {
    const std::string out = run(daemon.run_dir(), {"events2", "--now", "--timestamps", "no"}).out;
    // 2026-11-20T15:41:35.917612+00:00 exists -
    ASSERT_EQ(out.size(), 32u + 1 + 8 + 1);
    EXPECT_EQ(out[10], 'T');
    EXPECT_EQ(out[19], '.');
    EXPECT_EQ(out[29], ':');
    EXPECT_EQ(out.substr(32), " exists -\n");
}

TEST_F(Drbdsetup, DownOfWhatIsNotThereIsDone) {
    const Outcome result = run(daemon.run_dir(), {"down", "nosuch"});
    EXPECT_EQ(result.exit, 0);
    EXPECT_EQ(result.err, "Resource unknown\n");
    EXPECT_EQ(run(daemon.run_dir(), {"down", "all"}).exit, 0);
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"down r0", "down r1"}));
}

TEST_F(Drbdsetup, ChangesGoToTheVolumeOfTheMinor) {
    EXPECT_EQ(run(daemon.run_dir(), {"primary", "1", "--force"}).exit, 0);
    EXPECT_EQ(daemon.requests(), std::vector<std::string>{"primary r0/1 force"});
}

TEST_F(Drbdsetup, WrongUsageIs20) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{},
                                               {"fly"},
                                               {"status", "--now"},
                                               {"status", "a", "b"},
                                               {"role"},
                                               {"role", "0", "--json"},
                                               {"status", "--frob"},
                                               {"wait-connect", "5", "--wfc-timeout=x"}}) {
        const Outcome result = run(daemon.run_dir(), words);
        EXPECT_EQ(result.exit, 20);
        EXPECT_NE(result.err.find("USAGE: drbdsetup"), std::string::npos);
    }
}

TEST_F(Drbdsetup, WhatTheOriginalHasAndWeHaveNotIsNotUnknown) {
    for (const char* command :
         {"show", "new-current-uuid", "resize", "disk-options", "attach", "new-peer"}) {
        const Outcome result = run(daemon.run_dir(), {command, "0"});
        EXPECT_EQ(result.exit, 20);
        EXPECT_EQ(result.err,
                  "drbdsetup: command '" + std::string(command) +
                      "' is known but not supported by this version of drbdd\n");
    }
    EXPECT_NE(run(daemon.run_dir(), {"fly"}).err.find("fly: unknown command"), std::string::npos);
    EXPECT_NE(
        run(daemon.run_dir(), {"down", "r0", "--force"}).err.find("unrecognized option '--force'"),
        std::string::npos);
}

TEST_F(Drbdsetup, GenerationsNeedADisk) {
    for (const char* command : {"get-gi", "show-gi"}) {
        const Outcome result = run(daemon.run_dir(), {command, "5"});
        EXPECT_EQ(result.exit, 1);
        EXPECT_EQ(result.err, "Device has no disk\n");
        EXPECT_EQ(run(daemon.run_dir(), {command, "77"}).exit, 10);
    }
}

TEST_F(Drbdsetup, WaitsForAConnectionThatIsThere) {
    EXPECT_EQ(run(daemon.run_dir(), {"wait-connect", "0"}).exit, 0);
    EXPECT_EQ(run(daemon.run_dir(), {"wait-sync-resource", "r1"}).exit, 0);
    EXPECT_EQ(run(daemon.run_dir(), {"wait-connect-resource", "no"}).exit, 10);
}

TEST(DrbdsetupRefused, HasTheOriginalsNumbersAndExitCodes) {
    FakeDaemon daemon(answers_with({{sample_r1()}}, -2, "Need access to UpToDate data"));
    const Outcome result = run(daemon.run_dir(), {"primary", "5"});
    EXPECT_EQ(result.exit, 17);
    EXPECT_EQ(result.err, "5: State change failed: (-2) Need access to UpToDate data\n");
}

TEST(DrbdsetupAlone, IsDownWithoutADaemonAndSaysSoElsewhere) {
    const TempDir dir;
    EXPECT_EQ(run(dir.path(), {"down", "r0"}).exit, 0);
    const Outcome status = run(dir.path(), {"status"});
    EXPECT_EQ(status.exit, 20);
    EXPECT_NE(status.err.find("drbdd is not running"), std::string::npos);
}

}  // namespace
