// What the original printed in the same states.
#include "cli/common/outcome.h"
#include "cli/common/status_text.h"
#include "tests/unit/cli/fake_daemon.h"

#include <gtest/gtest.h>

namespace {

using control::Json;

std::string text_of(const control::ResourceStatus& resource, cli::StatusStyle style) {
    return cli::status_text({{resource}}, style);
}

TEST(StatusText, OfOneVolumeIsTerse) {
    EXPECT_EQ(text_of(sample_r1(), {}),
              "r1 role:Secondary\n"
              "  disk:UpToDate\n"
              "  peer role:Secondary\n"
              "    replication:Established peer-disk:UpToDate\n"
              "\n");
}

// What is ours is bold, the peer's is not; a terminal's line is as long as one without colours.
TEST(StatusText, ColoursTellStates) {
    control::ResourceStatus resource = sample_r1();
    resource.role = "Primary";
    resource.connections[0].peer_devices[0].cstate = "SyncSource";
    resource.connections[0].peer_devices[0].peer_disk = "Inconsistent";
    EXPECT_EQ(text_of(resource, {false, false, true}),
              "r1 role:\33[1;36mPrimary\33[0m\n"
              "  disk:\33[1;32mUpToDate\33[0m\n"
              "  peer role:Secondary\n"
              "    replication:\33[31mSyncSource\33[0m peer-disk:\33[31mInconsistent\33[0m\n"
              "\n");
    resource.devices[0].disk = "Attaching";
    resource.connections[0].cstate = "WFConnection";
    EXPECT_EQ(text_of(resource, {false, false, true}),
              "r1 role:\33[1;36mPrimary\33[0m\n"
              "  disk:\33[1mAttaching\33[0m\n"
              "  peer connection:\33[1;31mConnecting\33[0m\n"
              "\n");
    EXPECT_EQ(cli::wants_color("always"), true);
    EXPECT_EQ(cli::wants_color("never"), false);
    EXPECT_EQ(cli::wants_color("auto"), false);  // this is no terminal
    EXPECT_EQ(cli::wants_color("green"), std::nullopt);
}

TEST(StatusText, VerboseShowsEveryState) {
    EXPECT_EQ(text_of(sample_r1(), {true, false}),
              "r1 role:Secondary suspended:no\n"
              "  volume:0 minor:5 disk:UpToDate blocked:no\n"
              "  peer connection:Connected role:Secondary congested:no\n"
              "    volume:0 replication:Established peer-disk:UpToDate resync-suspended:no\n"
              "\n");
}

TEST(StatusText, StatisticsShowTheMainCounters) {
    EXPECT_EQ(text_of(sample_r1(), {false, true}),
              "r1 role:Secondary\n"
              "  disk:UpToDate\n"
              "      read:0 written:0\n"
              "  peer role:Secondary\n"
              "    replication:Established peer-disk:UpToDate\n"
              "        received:0 sent:0\n"
              "\n");
}

TEST(StatusText, VerboseStatisticsShowAllAndWrap) {
    EXPECT_EQ(text_of(sample_r1(), {true, true}),
              "r1 role:Secondary suspended:no\n"
              "    write-ordering:flush\n"
              "  volume:0 minor:5 disk:UpToDate\n"
              "      size:40920 read:0 written:0 al-writes:8 bm-writes:0 upper-pending:0\n"
              "      lower-pending:0 al-suspended:no blocked:no\n"
              "  peer connection:Connected role:Secondary congested:no\n"
              "    volume:0 replication:Established peer-disk:UpToDate resync-suspended:no\n"
              "        received:0 sent:0 out-of-sync:0 pending:0 unacked:0\n"
              "\n");
}

TEST(StatusText, OfSeveralVolumesNamesThemAndTheProgress) {
    EXPECT_EQ(text_of(sample_r0(), {}),
              "r0 role:Primary\n"
              "  volume:0 disk:Inconsistent\n"
              "  volume:1 disk:Inconsistent\n"
              "  peer role:Secondary\n"
              "    volume:0 replication:SyncTarget peer-disk:UpToDate done:19.80\n"
              "    volume:1 replication:Established peer-disk:Inconsistent\n"
              "\n");
    EXPECT_NE(text_of(sample_r0(), {false, true})
                  .find("    volume:0 replication:SyncTarget peer-disk:UpToDate done:19.80 "
                        "dbdt1:2.00\n        eta:16\n        received:0 sent:0 "
                        "out-of-sync:32816\n"),
              std::string::npos);
}

TEST(StatusText, WithoutAPeerSaysHowTheConnectionIs) {
    control::ResourceStatus resource = sample_r1();
    resource.connections[0].cstate = "WFConnection";
    resource.connections[0].peer_role = "Unknown";
    resource.connections[0].peer_devices[0].cstate = "WFConnection";
    resource.connections[0].peer_devices[0].peer_disk = "DUnknown";
    EXPECT_EQ(text_of(resource, {}),
              "r1 role:Secondary\n"
              "  disk:UpToDate\n"
              "  peer connection:Connecting\n"
              "\n");
    resource.connections[0].last_error = "split brain";
    resource.connections[0].cstate = "StandAlone";
    EXPECT_NE(text_of(resource, {true, false})
                  .find("  peer connection:StandAlone role:Unknown congested:no\n"
                        "      last-error:\"split brain\"\n"
                        "    volume:0 replication:Off peer-disk:DUnknown resync-suspended:no\n"),
              std::string::npos);
}

TEST(StatusText, OfNothingIsEmpty) {
    EXPECT_EQ(cli::status_text({}, {}), "");
}

TEST(StatusJson, HasTheKeysThatExportersRead) {
    const Json json = Json::parse(cli::status_json({{sample_r0()}}));
    ASSERT_EQ(json.size(), 1u);
    const Json& r0 = json[0];
    EXPECT_EQ(r0["name"], "r0");
    EXPECT_EQ(r0["role"], "Primary");
    EXPECT_EQ(r0["node-id"], -1);
    EXPECT_EQ(r0["suspended"], false);
    EXPECT_EQ(r0["write-ordering"], "flush");
    const Json& device = r0["devices"][1];
    EXPECT_EQ(device["volume"], 1);
    EXPECT_EQ(device["minor"], 1);
    EXPECT_EQ(device["disk-state"], "Inconsistent");
    EXPECT_EQ(device["quorum"], true);
    EXPECT_EQ(device["size"], 40920);
    EXPECT_EQ(device["al-writes"], 8);
    const Json& connection = r0["connections"][0];
    EXPECT_EQ(connection["peer-node-id"], 0);
    EXPECT_EQ(connection["name"], "beta");
    EXPECT_EQ(connection["connection-state"], "Connected");
    EXPECT_EQ(connection["peer-role"], "Secondary");
    const Json& syncing = connection["peer_devices"][0];
    EXPECT_EQ(syncing["replication-state"], "SyncTarget");
    EXPECT_EQ(syncing["peer-disk-state"], "UpToDate");
    EXPECT_EQ(syncing["out-of-sync"], 32816);
    EXPECT_EQ(syncing["percent-in-sync"], 19.8);
    EXPECT_EQ(syncing["has-sync-details"], true);
    EXPECT_EQ(syncing["percent-resync-done"], 19.8);
    EXPECT_EQ(syncing["estimated-seconds-to-finish"], 16);
    EXPECT_EQ(syncing["has-online-verify-details"], false);
    EXPECT_EQ(syncing["rs-total"], 81840);
    EXPECT_EQ(syncing["rs-failed"], 16);
    EXPECT_EQ(syncing["rs-same-csum"], 8);
    EXPECT_EQ(syncing["rs-dt-start-ms"], 5000);
    EXPECT_EQ(syncing["rs-paused-ms"], 1000);
    EXPECT_EQ(syncing["rs-dt0-ms"], 1000);
    EXPECT_EQ(syncing["rs-db0-sectors"], 2048);
    EXPECT_EQ(syncing["rs-dt1-ms"], 4000);
    EXPECT_EQ(syncing["rs-db1-sectors"], 16384);
    EXPECT_EQ(syncing["db0/dt0 [MiB/s]"], 1.0);
    EXPECT_EQ(syncing["db1/dt1 [MiB/s]"], 2.0);
    EXPECT_EQ(syncing["db/dt [MiB/s]"], 1.98);
    EXPECT_FALSE(syncing.contains("ov-left"));
    const Json& idle = connection["peer_devices"][1];
    EXPECT_EQ(idle["percent-in-sync"], 100.0);
    EXPECT_EQ(idle["has-sync-details"], false);
    EXPECT_FALSE(idle.contains("percent-resync-done"));
    EXPECT_EQ(cli::status_json({}), "[]\n");
}

TEST(StatusJson, AVerifySaysWhereItIs) {
    control::Snapshot snapshot{{sample_r0()}};
    control::PeerDeviceStatus& peer_device = snapshot.resources[0].connections[0].peer_devices[0];
    peer_device.cstate = "VerifyS";
    peer_device.sync->verified = {800, 82640, 17008};
    const Json json = Json::parse(cli::status_json(snapshot));
    const Json& verifying = json[0]["connections"][0]["peer_devices"][0];
    EXPECT_EQ(verifying["has-online-verify-details"], true);
    EXPECT_EQ(verifying["ov-start-sector"], 800);
    EXPECT_EQ(verifying["ov-stop-sector"], 82640);
    EXPECT_EQ(verifying["ov-position"], 17008);
    EXPECT_EQ(verifying["ov-left"], 65632);
    EXPECT_EQ(verifying["ov-skipped"], 0);
    EXPECT_FALSE(verifying.contains("rs-failed"));
}

TEST(EventText, LeavesStatisticsOutUnlessWanted) {
    const control::Event event{"change",
                               "device",
                               {{"name", "r0"}, {"volume", "0"}},
                               {{"disk", "Failed"}},
                               {{"size", "8"}}};
    EXPECT_EQ(cli::event_text(event, false), "change device name:r0 volume:0 disk:Failed");
    EXPECT_EQ(cli::event_text(event, true), "change device name:r0 volume:0 disk:Failed size:8");
    const control::Event quiet{
        "change", "connection", {{"name", "r0"}}, {}, {{"congested", "yes"}}};
    EXPECT_EQ(cli::event_text(quiet, false), "");
    EXPECT_EQ(cli::event_text({"exists", "-", {}, {}, {}}, false), "exists -");
    EXPECT_EQ(cli::event_text({"destroy", "resource", {{"name", "r0"}}, {}, {}}, false),
              "destroy resource name:r0");
}

TEST(Queries, AnswerInTheWordsOf84) {
    const control::ResourceStatus resource = sample_r0();
    EXPECT_EQ(cli::role_text(resource), "Primary/Secondary");
    EXPECT_EQ(cli::cstate_text(resource, 0), "SyncTarget");
    EXPECT_EQ(cli::cstate_text(resource, 1), "Connected");
    EXPECT_EQ(cli::dstate_text(resource, resource.devices[0]), "Inconsistent/UpToDate");
}

TEST(Queries, WithoutAConnectionThePeerIsUnknown) {
    control::ResourceStatus resource = sample_r1();
    resource.connections.clear();
    EXPECT_EQ(cli::role_text(resource), "Secondary/Unknown");
    EXPECT_EQ(cli::cstate_text(resource, 0), "StandAlone");
    EXPECT_EQ(cli::dstate_text(resource, resource.devices[0]), "UpToDate/DUnknown");
}

TEST(Outcome, HasTheOriginalsExitCodes) {
    EXPECT_EQ(cli::exit_code(0), 0);
    EXPECT_EQ(cli::exit_code(2), 0);
    EXPECT_EQ(cli::exit_code(-2), 17);
    EXPECT_EQ(cli::exit_code(-4), 16);
    EXPECT_EQ(cli::exit_code(-16), 5);
    EXPECT_EQ(cli::exit_code(-12), 11);
    EXPECT_EQ(cli::exit_code(127), 10);
    EXPECT_EQ(cli::exit_code(9999), 20);
    EXPECT_EQ(cli::exit_code(-999), 20);
}

TEST(Outcome, HasTheOriginalsTexts) {
    EXPECT_EQ(cli::failure_text("0", -2, "Need access to UpToDate data"),
              "0: State change failed: (-2) Need access to UpToDate data");
    EXPECT_EQ(cli::failure_text("9", 127, "unknown minor"),
              "9: Failure: (127) Device minor not allocated\n"
              "additional info from kernel:\nunknown minor");
    EXPECT_EQ(cli::failure_text("r0", -12, "Device is held open by someone\nfailed to demote"),
              "r0: State change failed: (-12) Device is held open by someone\n"
              "additional info from kernel:\nfailed to demote");
    EXPECT_EQ(cli::failure_text("0", 119, ""),
              "0: Failure: (119) No valid meta-data signature found.\n\n"
              "\t==> Use 'drbdadm create-md res' to initialize meta-data area. <==\n");
}

}  // namespace
