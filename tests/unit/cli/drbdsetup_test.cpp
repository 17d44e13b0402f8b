#include "cli/drbdsetup/commands.h"
#include "cli/drbdsetup/events.h"
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
    EXPECT_NE(run(daemon.run_dir(), {"status", "r1", "--color"}).out.find("\33[1;32mUpToDate"),
              std::string::npos);
    EXPECT_EQ(run(daemon.run_dir(), {"status", "r1", "--color=auto"}).out.find('\33'),
              std::string::npos);
    EXPECT_EQ(run(daemon.run_dir(), {"status", "r1", "--color=green"}).exit, 20);
    EXPECT_EQ(run(daemon.run_dir(), {"role", "0", "--color"}).exit, 20);
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

// All of drbdsetup-84 and of drbdsetup 9.22.
constexpr const char* kSetupNamesOfTheOriginals[] = {
    "primary",
    "secondary",
    "attach",
    "disk-options",
    "detach",
    "connect",
    "net-options",
    "disconnect",
    "resize",
    "resource-options",
    "new-current-uuid",
    "invalidate",
    "invalidate-remote",
    "pause-sync",
    "resume-sync",
    "suspend-io",
    "resume-io",
    "outdate",
    "verify",
    "down",
    "role",
    "cstate",
    "dstate",
    "show-gi",
    "get-gi",
    "show",
    "status",
    "check-resize",
    "events",
    "events2",
    "wait-connect",
    "wait-sync",
    "new-resource",
    "new-minor",
    "del-minor",
    "del-resource",
    "state",
    "sh-status",
    "new-peer",
    "del-peer",
    "new-path",
    "del-path",
    "peer-device-options",
    "wait-connect-resource",
    "wait-connect-connection",
    "wait-connect-volume",
    "wait-sync-resource",
    "wait-sync-connection",
    "wait-sync-volume",
    "forget-peer",
    "rename-resource",
};

TEST_F(Drbdsetup, EveryNameOfTheOriginalsAnswersOrIsRefusedWithAReason) {
    for (const std::string command : kSetupNamesOfTheOriginals) {
        const std::string why(drbdsetup::why_refused(command));
        EXPECT_NE(drbdsetup::find_command(command) == nullptr, why.empty()) << command;
        if (!why.empty()) {
            const Outcome result = run(daemon.run_dir(), {command, "0"});
            EXPECT_EQ(result.exit, 20);
            EXPECT_EQ(result.err,
                      "drbdsetup: command '" + command +
                          "' is known but not supported by this version of drbdd: " + why + "\n");
        }
    }
    EXPECT_NE(run(daemon.run_dir(), {"fly"}).err.find("fly: unknown command"), std::string::npos);
    EXPECT_NE(
        run(daemon.run_dir(), {"down", "r0", "--force"}).err.find("unrecognized option '--force'"),
        std::string::npos);
}

// The lines of `drbdadm -d up`, and what the daemon is asked to do for them.
class DrbdsetupConfigures : public testing::Test {
protected:
    DrbdsetupConfigures() {
        settings.name = "r0";
        settings.address = {config::AddressFamily::Ipv4, "10.9.9.1", 7788};
        settings.peer_address = {config::AddressFamily::Ipv4, "10.9.9.2", 7788};
        for (std::uint16_t number = 0; number < 2; ++number) {
            config::VolumeSettings volume;
            volume.number = number;
            volume.minor = number;
            volume.disk = "/dev/sd" + std::string(1, static_cast<char>('a' + number));
            settings.volumes.push_back(volume);
        }
    }

    FakeDaemon::Answer answer() {
        return [this, others = answers_with({{sample_r0()}})](
                   const control::Request& request) -> std::vector<std::string> {
            if (request.command == control::Command::Show) {
                return request.resource == "r0"
                           ? std::vector{reply_line(request, 0, "", control::to_json(settings))}
                           : std::vector{reply_line(request, 158, "Unknown resource")};
            }
            if (request.settings) {
                asked = *request.settings;
            }
            return others(request);
        };
    }

    Outcome ask(const std::vector<std::string>& words) { return run(daemon.run_dir(), words); }

    config::ResourceSettings settings;
    config::ResourceSettings asked;
    FakeDaemon daemon{answer()};
};

TEST_F(DrbdsetupConfigures, StepByStep) {
    EXPECT_EQ(ask({"new-resource", "r0"}).exit, 0);  // is there
    EXPECT_EQ(ask({"new-resource", "r9", "0"}).exit, 0);
    EXPECT_EQ(asked.name, "r9");
    EXPECT_TRUE(asked.volumes.empty());
    EXPECT_EQ(ask({"new-minor", "r0", "1", "1"}).exit, 0);  // is there
    EXPECT_EQ(ask({"new-minor", "r0", "1", "4"}).err,
              "1: Failure: (161) Minor or volume exists already (delete it first)\n");
    EXPECT_EQ(ask({"new-minor", "r0", "7", "4"}).exit, 0);
    ASSERT_EQ(asked.volumes.size(), 3u);
    EXPECT_EQ(asked.volumes[2].device, "/dev/drbd7");
    EXPECT_EQ(ask({"attach",
                   "1",
                   "/dev/x",
                   "/dev/x",
                   "internal",
                   "--resync-rate=40M",
                   "--disk-flushes=no"})
                  .exit,
              0);
    EXPECT_EQ(asked.volumes[1].disk, "/dev/x");
    EXPECT_EQ(asked.volumes[1].options.resync_rate_kib, 40960u);
    EXPECT_FALSE(asked.volumes[1].options.disk_flushes);
    EXPECT_EQ(ask({"attach", "1", "/dev/x", "/dev/m", "3"}).exit, 0);
    EXPECT_EQ(asked.volumes[1].meta_disk, "/dev/m");
    EXPECT_EQ(asked.volumes[1].meta_index, 3u);
    EXPECT_EQ(ask({"attach", "1", "/dev/x", "/dev/m", "flexible"}).exit, 0);
    EXPECT_EQ(asked.volumes[1].meta_disk, "/dev/m");
    EXPECT_EQ(asked.volumes[1].meta_index, std::nullopt);
    EXPECT_EQ(ask({"attach", "1", "/dev/x", "/dev/m", "outside"}).exit, 20);
    EXPECT_EQ(ask({"attach", "1", "/dev/x", "/dev/m", "internal"}).err,
              "1: Failure: (116) Lower device / meta device / index combination invalid.\n");
    EXPECT_EQ(ask({"connect",
                   "r0",
                   "ipv4:10.9.9.1:7790",
                   "ipv6:[fd00::2]:7790",
                   "--protocol=A",
                   "--discard-my-data"})
                  .exit,
              0);
    EXPECT_EQ(asked.address.port, 7790);
    EXPECT_EQ(config::to_string(asked.peer_address), "ipv6:[fd00::2]:7790");
    EXPECT_EQ(asked.net.protocol, config::Protocol::A);
    EXPECT_EQ(ask({"del-minor", "0"}).exit, 0);
    ASSERT_EQ(asked.volumes.size(), 1u);
    EXPECT_EQ(asked.volumes[0].number, 1);
    EXPECT_EQ(ask({"del-resource", "r0"}).err,
              "r0: Failure: (125) Device has a net-config (use disconnect first)\n");
    std::vector<std::string> changes = daemon.requests();
    std::erase_if(changes, [](const std::string& line) { return line.starts_with("show"); });
    EXPECT_EQ(changes,
              (std::vector<std::string>{"new-resource r9 settings",
                                        "new-resource r0 settings",
                                        "attach r0/1 settings",
                                        "attach r0/1 settings",
                                        "attach r0/1 settings",
                                        "connect r0 discard-my-data settings",
                                        "new-resource r0 settings"}));
}

TEST_F(DrbdsetupConfigures, OptionsOfWhatRuns) {
    settings.net.protocol = config::Protocol::A;
    EXPECT_EQ(ask({"net-options", "10.9.9.1", "10.9.9.2:7788", "--timeout=50"}).exit, 0);
    EXPECT_EQ(asked.net.timeout, config::Deciseconds(50));
    EXPECT_EQ(asked.net.protocol, config::Protocol::A);
    EXPECT_EQ(ask({"net-options", "r0", "0", "--set-defaults"}).exit, 0);
    EXPECT_EQ(asked.net, config::NetSettings());
    EXPECT_EQ(ask({"disk-options", "1", "--c-plan-ahead=0"}).exit, 0);
    EXPECT_EQ(asked.volumes[1].options.c_plan_ahead, config::Deciseconds(0));
    EXPECT_EQ(asked.volumes[0].options, config::DiskSettings());
    EXPECT_EQ(ask({"resource-options", "r0", "--cpu-mask=3"}).exit, 0);
    EXPECT_EQ(asked.cpu_mask, "3");
    settings.cpu_mask = "3";
    EXPECT_EQ(ask({"resource-options", "r0", "--set-defaults"}).exit, 0);
    EXPECT_EQ(asked.cpu_mask, "");
    EXPECT_EQ(ask({"resource-options", "r0", "--on-no-data-accessible=suspend-io"}).exit, 0);
    EXPECT_EQ(asked.on_no_data, config::OnNoData::SuspendIo);
    EXPECT_EQ(ask({"disk-options", "1", "--disk-timeout=20"}).exit, 0);
    EXPECT_EQ(asked.volumes[1].options.disk_timeout, config::Deciseconds(20));
    EXPECT_EQ(ask({"net-options", "10.9.9.1", "10.9.9.3", "--timeout=50"}).exit, 10);
    EXPECT_EQ(ask({"net-options", "r0", "0", "--timeout=5000"}).exit, 20);
    EXPECT_EQ(ask({"disconnect", "ipv4:10.9.9.1:7788", "ipv4:10.9.9.2:7788"}).exit, 0);
    EXPECT_EQ(daemon.requests().back(), "disconnect r0");
}

TEST_F(DrbdsetupConfigures, ShowIsReadBack) {
    settings.net.timeout = config::Deciseconds(50);
    settings.volumes[1].options.resync_rate_kib = 2048;
    settings.volumes[1].meta_disk = "/dev/md";
    settings.volumes[1].meta_index = 3;
    const std::string text = ask({"show", "r0"}).out;
    EXPECT_EQ(text,
              "resource r0 {\n    options {\n    }\n    net {\n"
              "        timeout         \t50; # 1/10 seconds\n    }\n"
              "    _remote_host {\n        address\t\t\tipv4 10.9.9.2:7788;\n    }\n"
              "    _this_host {\n        address\t\t\tipv4 10.9.9.1:7788;\n"
              "        volume 0 {\n            device\t\t\tminor 0;\n"
              "            disk\t\t\t\"/dev/sda\";\n            meta-disk\t\t\tinternal;\n"
              "        }\n"
              "        volume 1 {\n            device\t\t\tminor 1;\n"
              "            disk\t\t\t\"/dev/sdb\";\n"
              "            meta-disk\t\t\t\"/dev/md\" [ 3 ];\n"
              "            disk {\n"
              "                resync-rate     \t2048k; # bytes/second\n            }\n"
              "        }\n    }\n}\n");
    const std::string all = ask({"show", "r0", "--show-defaults"}).out;
    EXPECT_NE(all.find("        connect-int     \t10; # seconds, default\n"), std::string::npos);
    EXPECT_NE(all.find("                c-fill-target   \t100s; # bytes, default\n"),
              std::string::npos);
    EXPECT_EQ(ask({"show", "nosuch"}).exit, 10);
}

TEST(EventMemory, RepeatsAllAndShowsOldValues) {
    using control::Event;
    drbdsetup::EventMemory full;
    drbdsetup::EventMemory diff;
    const Event::Fields keys = {{"name", "r0"}};
    const Event exists{
        "exists", "resource", keys, {{"role", "Secondary"}, {"suspended", "no"}}, {}};
    const Event change{"change", "resource", keys, {{"role", "Primary"}}, {}};
    EXPECT_EQ(full.remembered(exists, true, false).state, exists.state);
    EXPECT_EQ(full.remembered(change, true, false).state,
              (Event::Fields{{"role", "Primary"}, {"suspended", "no"}}));
    diff.remembered(exists, false, true);
    EXPECT_EQ(diff.remembered(change, false, true).state,
              (Event::Fields{{"role", "Secondary->Primary"}}));
}

TEST_F(Drbdsetup, ARoleIsOfAMinorOrAResource) {
    EXPECT_EQ(run(daemon.run_dir(), {"role", "r0"}).out, run(daemon.run_dir(), {"role", "0"}).out);
    EXPECT_EQ(run(daemon.run_dir(), {"primary", "r1"}).exit, 0);
    EXPECT_EQ(run(daemon.run_dir(), {"secondary", "r1"}).exit, 0);
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"primary r1", "secondary r1"}));
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
