#include "cli/drbdadm/command_line.h"
#include "cli/drbdadm/commands.h"
#include "cli/drbdadm/program.h"
#include "tests/unit/cli/drbdadm_fixture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace {

TEST_F(Drbdadm, UpSendsTheSettings) {
    const Outcome result = adm("up all");
    EXPECT_EQ(result.exit, 0) << result.err;
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"up r0 settings", "up r1 settings"}));
}

TEST_F(Drbdadm, CommandsReachTheirResourceAndVolume) {
    EXPECT_EQ(adm("primary --force r0").exit, 0);
    EXPECT_EQ(adm("-- --overwrite-data-of-peer primary r0/1").exit, 0);
    EXPECT_EQ(adm("secondary minor-5").exit, 0);
    EXPECT_EQ(adm("connect --discard-my-data r1/0").exit, 0);
    EXPECT_EQ(adm("disconnect --force r1").exit, 0);
    EXPECT_EQ(adm("detach r0/1").exit, 0);
    EXPECT_EQ(adm("attach r0/1").exit, 0);
    EXPECT_EQ(adm("invalidate r1").exit, 0);
    EXPECT_EQ(adm("down r1").exit, 0);
    EXPECT_EQ(daemon.requests(),
              (std::vector<std::string>{"primary r0 force",  // the others have nothing to do then
                                        "primary r0 force",
                                        "primary r0/1 force",
                                        "secondary r1/0",
                                        "connect r1 discard-my-data settings",
                                        "disconnect r1 force",
                                        "detach r0/1",
                                        "attach r0/1 settings",
                                        "invalidate r1/0",
                                        "down r1"}));
}

TEST_F(Drbdadm, QueriesAnswerPerVolumeAndTheRoleOncePerResource) {
    EXPECT_EQ(adm("role r0").out, "Primary/Secondary\n");
    EXPECT_EQ(adm("role r0/1").out, "Primary/Secondary\n");
    EXPECT_EQ(adm("role all").out, "Primary/Secondary\nSecondary/Secondary\n");
    EXPECT_EQ(adm("cstate r0").out, "SyncTarget\nConnected\n");
    EXPECT_EQ(adm("dstate r0").out, "Inconsistent/UpToDate\nInconsistent/Inconsistent\n");
    EXPECT_EQ(adm("status r1").out,
              "r1 role:Secondary\n  disk:UpToDate\n  peer role:Secondary\n"
              "    replication:Established peer-disk:UpToDate\n\n");
    EXPECT_EQ(adm("status --json r1").out.substr(0, 2), "[\n");
    EXPECT_EQ(adm("wait-connect all").exit, 0);
    EXPECT_EQ(adm("wait-sync r1").exit, 0);
}

TEST_F(Drbdadm, DryRunShowsOptionsAsTheOriginalOrdersAndQuotesThem) {
    EXPECT_EQ(adm("-d --show-secrets up r0").out,
              "drbdsetup new-resource r0\n"
              "drbdsetup new-minor r0 0 0\n"
              "drbdsetup new-minor r0 1 1\n"
              "drbdmeta 0 v08 /dev/a internal apply-al\n"
              "drbdsetup attach 0 /dev/a /dev/a internal --resync-rate=40M --al-extents=100\n"
              "drbdmeta 1 v08 /dev/b internal apply-al\n"
              "drbdsetup attach 1 /dev/b /dev/b internal --size=1G --resync-rate=40M "
              "--al-extents=100\n"
              "drbdsetup connect r0 ipv4:10.9.9.1:7788 ipv4:10.9.9.2:7788 --protocol=A "
              "--shared-secret=with\\ space --cram-hmac-alg=sha1\n");
    EXPECT_TRUE(daemon.requests().empty());
}

TEST_F(Drbdadm, DryRunOfAResizeHasTheSizeOfTheFile) {
    EXPECT_EQ(adm("-d resize r0/0").out, "drbdsetup resize 0\ndrbdsetup check-resize 0\n");
    EXPECT_EQ(adm("-d resize r0/1").out,
              "drbdsetup resize 1 --size=2097152s\ndrbdsetup check-resize 1\n");
    EXPECT_EQ(adm("-d resize r0/1 --size 3G").out,
              "drbdsetup resize 1 --size=6291456s\ndrbdsetup check-resize 1\n");
}

TEST_F(Drbdadm, DryRunIsForAShellWhateverTheDiskIsCalled) {
    std::ofstream(config) << "resource r1 { device minor 5; disk \"/dev/disk/by-id/a b#1\"; "
                             "meta-disk internal; on alpha { address 10.9.9.1:1; } on beta { "
                             "address 10.9.9.2:1; } }";
    const std::string disk = "/dev/disk/by-id/a\\ b\\#1";
    const std::string meta = "drbdmeta 5 v08 " + disk + " internal ";
    const std::string attach = "drbdsetup attach 5 " + disk + " " + disk + " internal\n";
    EXPECT_EQ(adm("-d attach r1").out, meta + "apply-al\n" + attach);
    EXPECT_NE(adm("-d up r1").out.find(meta + "apply-al\n" + attach), std::string::npos);
    for (const char* command : {"create-md", "dump-md", "apply-al", "wipe-md"}) {
        EXPECT_EQ(adm("-d " + std::string(command) + " r1").out, meta + command + "\n");
    }
    EXPECT_EQ(adm("-d get-gi r1").out, "drbdsetup get-gi 5\n" + meta + "get-gi\n");
}

// Each option that a command has of its own, with every command.
TEST_F(Drbdadm, AnOptionOfAnotherCommandIsRefused) {
    const std::map<std::string, std::string> words = {
        {"force", "--force"},
        {"overwrite-data-of-peer", "--overwrite-data-of-peer"},
        {"discard-my-data", "--discard-my-data"},
        {"json", "--json"},
        {"statistics", "--statistics"},
        {"skip-disk", "--skip-disk"},
        {"skip-net", "--skip-net"},
        {"address-later", "--address-later"},
        {"wait-after-sb", "--wait-after-sb"},
        {"wfc-timeout", "--wfc-timeout=1"},
        {"degr-wfc-timeout", "--degr-wfc-timeout=1"},
        {"outdated-wfc-timeout", "--outdated-wfc-timeout=1"},
        {"al-stripes", "--al-stripes=2"},
        {"al-stripe-size-kB", "--al-stripe-size-kB=32"},
        {"peer-max-bio-size", "--peer-max-bio-size=4k"},
    };
    for (const std::string_view name : drbdadm::command_names()) {
        const std::string command(name);
        const std::vector<std::string> own = drbdadm::options_of(command);
        for (const auto& [option, word] : words) {
            const bool is_own = std::find(own.begin(), own.end(), option) != own.end();
            const std::string refusal = "drbdadm: unrecognized option '--" + option +
                                        "'\ntry 'drbdadm help " + command + "'\n";
            for (const std::string& line :
                 {"-d " + command + " " + word + " r1", "-d -- " + word + " " + command + " r1"}) {
                const Outcome result = adm(line);
                EXPECT_EQ(result.err == refusal, !is_own) << line << ": " << result.err;
                EXPECT_EQ(result.exit == 1, !is_own) << line;
            }
        }
    }
    const std::map<std::string, std::vector<std::string>> with_force = {
        {"down", {}},
        {"up", {"address-later"}},
        {"secondary", {}},
        {"primary", {"force", "overwrite-data-of-peer"}}};
    for (const auto& [command, options] : with_force) {
        EXPECT_EQ(drbdadm::options_of(command), options);
    }
    for (const std::string& request : daemon.requests()) {
        EXPECT_EQ(request, "show r1");  // adjust asks what runs, also with -d
    }
}

TEST_F(Drbdadm, HelpOfACommandNamesItsOptions) {
    const std::string out = adm("help wait-connect").out;
    EXPECT_NE(out.find("USAGE: drbdadm wait-connect "), std::string::npos);
    EXPECT_NE(out.find("\nOPTIONS FOR wait-connect:\n  --wfc-timeout=...\n"), std::string::npos);
    EXPECT_EQ(adm("help down").out.find("OPTIONS FOR"), std::string::npos);
}

TEST_F(Drbdadm, AResourceIsNamedOnceHoweverManyVolumesItHas) {
    EXPECT_EQ(adm("sh-resource r0").out, "r0\n");
    EXPECT_EQ(adm("sh-resource all").out, "r0\nr1\n");
    EXPECT_EQ(adm("sh-resource minor-1").out, "r0\n");
}

// The file has a volume more than the resource that runs.
TEST_F(Drbdadm, AVolumeThatIsNotUpIsInNoState) {
    std::ofstream(config) << "resource r1 { volume 0 { device minor 5; disk /dev/c; meta-disk "
                             "internal; } volume 1 { device minor 6; disk /dev/d; meta-disk "
                             "internal; } on alpha { address 10.9.9.1:1; } on beta { address "
                             "10.9.9.2:1; } }";
    for (const std::string command : {"cstate", "role", "wait-connect", "wait-sync"}) {
        const Outcome result = adm(command + " r1/1");
        EXPECT_EQ(result.exit, 10) << command;
        EXPECT_EQ(result.out, "") << command;
        EXPECT_EQ(result.err.find("6: Failure: (127) Device minor not allocated\n"), 0u)
            << result.err;
        EXPECT_EQ(adm(command + " r1/0").exit, 0) << command;
    }
    EXPECT_NE(adm("sh-status").out.find("_minor=6\n_res_name=\n_volume=-1\n"), std::string::npos);
}

TEST_F(Drbdadm, WhatIsPrintedHasStarsForTheSecret) {
    for (const char* words : {"-d up r0", "-d connect r0", "-v connect r0"}) {
        const std::string out = adm(words).out;
        EXPECT_NE(out.find("--shared-secret=*** --cram-hmac-alg=sha1"), std::string::npos)
            << words << ": " << out;
        EXPECT_EQ(out.find("with"), std::string::npos) << words << ": " << out;
    }
    EXPECT_NE(adm("-v --show-secrets connect r0").out.find("--shared-secret=with\\ space "),
              std::string::npos);
    EXPECT_NE(adm("dump r0").out.find("\"with space\""), std::string::npos);  // a configuration
}

TEST_F(Drbdadm, ASecretThatEverybodyCanReadIsWarnedOf) {
    const std::string warning =
        config + ":5: every user of this machine can read the shared secret: 'chmod 600 " + config +
        "', and choose another one on both nodes\n";
    EXPECT_EQ(adm("up all").err, "");
    std::filesystem::permissions(config, std::filesystem::perms(0644));
    EXPECT_EQ(adm("up all").err, warning);
    EXPECT_EQ(adm("dump r1").err, "");
    std::filesystem::permissions(config, std::filesystem::perms(0640));
    EXPECT_EQ(adm("up all").err, "");
}

TEST_F(Drbdadm, UnknownNamesAre1) {
    const auto expect = [&](const std::string& words, const std::string& err) {
        const Outcome result = adm(words);
        EXPECT_EQ(result.exit, 1) << words;
        EXPECT_EQ(result.err, err);
    };
    expect("primary nosuch", "'nosuch' not defined in your config (for this host).\n");
    expect("primary r0/7", "'r0/7' not defined in your config (for this host).\n");
    expect("primary r0/x", "'r0/x' not defined in your config (for this host).\n");
    expect("secondary 0", "'0' not defined in your config (for this host).\n");
    expect("secondary minor-9", "'minor-9' not defined in your config (for this host).\n");
    expect("up elsewhere",
           "'elsewhere' ignored, since this host (alpha) is not mentioned with an 'on' keyword.\n");
    expect("down r0/1", "down operates on whole resources, but you specified a specific volume!\n");
    expect("frobnicate r0", "drbdadm: Unknown command 'frobnicate'\n");
    expect("primary", "No resource names specified\n");
    expect("", "No command specified\n");
    expect("wait-connect -t 30 r0",
           "The --config-to-test (-t) option is only allowed with the dump and sh-nop commands\n");
    expect("status --frob", "drbdadm: unrecognized option '--frob'\n");
    expect("-S up r0",
           "WARN: nothing stacked for this host (alpha), nothing to do in stacked mode!\n");
    EXPECT_TRUE(daemon.requests().empty());
}

TEST_F(Drbdadm, AnInvalidFileIs10AndNothingIsDone) {
    std::ofstream(config) << "resource r0 { net { csums-algo md5; } }";
    for (const char* words : {"up r0", "dump", "sh-nop", "role r0"}) {
        const Outcome result = adm(words);
        EXPECT_EQ(result.exit, 10) << words;
        EXPECT_EQ(result.out, "");
        EXPECT_NE(result.err.find("drbd.conf:1: Parse error: 'an option keyword' expected,\n"),
                  std::string::npos);
    }
    EXPECT_TRUE(daemon.requests().empty());
}

// r0 asks for two Primaries: nothing that brings it up or changes what is in force is done, and all
// else works, on it and on its neighbours.
TEST_F(Drbdadm, AResourceThatCannotBeServedKeepsNothingElseFromWorking) {
    std::ofstream(config)
        << "global { disable-ip-verification; } resource r0 { net { allow-two-primaries; } device "
           "minor 0; disk /dev/a; meta-disk "
           "internal; on alpha { address 10.9.9.1:1; } on beta { address 10.9.9.2:1; } }\n"
           "resource r1 { device minor 5; disk /dev/c; meta-disk internal; on alpha { address "
           "10.9.9.1:2; } on beta { address 10.9.9.2:2; } }";
    const std::string refusal =
        config +
        ":1: option 'allow-two-primaries' of section 'net' is known but not supported by this "
        "version of drbdd with the value 'yes': only 'no' is\n";
    for (const char* words : {"up r0", "attach r0", "connect r0", "adjust r0", "new-resource r0"}) {
        const Outcome result = adm(words);
        EXPECT_EQ(result.exit, 10) << words;
        EXPECT_EQ(result.err, refusal) << words;
        EXPECT_EQ(result.out, "") << words;
    }
    // A dry run shows the calls nevertheless.
    const Outcome dry = adm("-d up r0");
    EXPECT_EQ(dry.exit, 10);
    EXPECT_EQ(dry.err, refusal);
    EXPECT_NE(dry.out.find("drbdsetup connect r0 "), std::string::npos);
    EXPECT_TRUE(daemon.requests().empty());
    const Outcome all = adm("up all");
    EXPECT_EQ(all.exit, 10);
    EXPECT_EQ(all.err, refusal);
    for (const char* words :
         {"down r0", "secondary r0", "primary r0", "disconnect r0", "detach r0"}) {
        EXPECT_EQ(adm(words).exit, 0) << words;
    }
    EXPECT_EQ(daemon.requests(),
              (std::vector<std::string>{"up r1 settings",
                                        "down r0",
                                        "secondary r0/0",
                                        "primary r0/0",
                                        "disconnect r0",
                                        "detach r0/0"}));
    for (const char* words : {"dump",
                              "status r0",
                              "role r0",
                              "cstate r0",
                              "dstate r0",
                              "sh-nop",
                              "sh-dev r0",
                              "sh-status",
                              "wait-connect r0",
                              "-d create-md r0"}) {
        const Outcome result = adm(words);
        EXPECT_EQ(result.exit, 0) << words << ": " << result.err;
        EXPECT_NE(result.out + words, "") << words;
    }
}

TEST_F(Drbdadm, AMissingFileIs20) {
    std::filesystem::remove(config);
    const Outcome result = adm("up r0");
    EXPECT_EQ(result.exit, 20);
    EXPECT_NE(result.err.find("Can not open '" + config + "'"), std::string::npos);
}

TEST_F(Drbdadm, VersionIsForEval) {
    EXPECT_NE(adm("--version").out.find("\nDRBD_KERNEL_VERSION_CODE=0x08040b\n"),
              std::string::npos);
}

// Resource r1 with a disk, whose metadata the daemon has open.
class DrbdadmWithDisk : public Drbdadm {
protected:
    static control::ResourceStatus with_disk() {
        control::ResourceStatus r1 = sample_r1();
        r1.devices[0].generations = kGenerations;
        r1.devices[0].agreed_max_bio_bytes = 1048576;
        return r1;
    }

    DrbdadmWithDisk() : Drbdadm(answers_with({{with_disk()}})) {}

    static constexpr const char* kGenerations =
        "97FB07A6F51F1EB4:0000000000000000:0000000000000000:0000000000000000:1:1:1:1:0:0:0";
};

TEST_F(DrbdadmWithDisk, GenerationsAreTheDaemonsToTell) {
    const Outcome get = adm("get-gi r1");
    EXPECT_EQ(get.exit, 0) << get.err;
    EXPECT_EQ(get.out, std::string(kGenerations) + "\n");
    const Outcome show = adm("show-gi minor-5");
    EXPECT_EQ(show.exit, 0) << show.err;
    EXPECT_NE(show.out.find(std::string("\n") + kGenerations + "\n"), std::string::npos);
    EXPECT_NE(show.out.find("flags: Primary, Connected, UpToDate\n"
                            "meta-data: need apply-al\n"
                            "last agreed size: 40 MB (81840 sectors)\n"
                            "last agreed max bio size: 1048576 Byte\n"),
              std::string::npos)
        << show.out;
}

class DrbdadmRefused : public Drbdadm {
protected:
    DrbdadmRefused()
        : Drbdadm(answers_with({{sample_r0(), sample_r1()}}, -2, "Need access to UpToDate data")) {}
};

TEST_F(DrbdadmRefused, StopsAtTheFirstVolumeAndNamesTheStep) {
    const Outcome result = adm("primary r0");
    EXPECT_EQ(result.exit, 17);
    EXPECT_EQ(result.err,
              "0: State change failed: (-2) Need access to UpToDate data\n"
              "Command 'drbdsetup primary 0' terminated with exit code 17\n");
}

TEST_F(DrbdadmRefused, GoesOnWithTheNextResource) {
    const Outcome result = adm("primary all");
    EXPECT_EQ(result.exit, 17);
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"primary r0/0", "primary r1/0"}));
}

TEST_F(DrbdadmRefused, DisconnectIsAboutAPairOfAddresses) {
    EXPECT_EQ(adm("disconnect r0").err,
              "??: State change failed: (-2) Need access to UpToDate data\n"
              "Command 'drbdsetup disconnect ipv4:10.9.9.1:7788 ipv4:10.9.9.2:7788' terminated "
              "with exit code 17\n");
}

TEST_F(Drbdadm, UpOfOneVolumeLeavesTheOthersAlone) {
    EXPECT_EQ(adm("-d up r0/1").out,
              "drbdsetup new-resource r0\n"
              "drbdsetup new-minor r0 1 1\n"
              "drbdmeta 1 v08 /dev/b internal apply-al\n"
              "drbdsetup attach 1 /dev/b /dev/b internal --size=1G --resync-rate=40M "
              "--al-extents=100\n"
              "drbdsetup connect r0 ipv4:10.9.9.1:7788 ipv4:10.9.9.2:7788 --protocol=A "
              "--shared-secret=*** --cram-hmac-alg=sha1\n");
    EXPECT_EQ(adm("up r0/1").exit, 0);
    EXPECT_EQ(adm("up r1/0").exit, 0);
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"up r0/1 settings", "up r1 settings"}));
}

TEST_F(Drbdadm, AnOwnAddressThatIsOnNoInterfaceIs10) {
    const auto write = [&](const std::string& global, const std::string& address) {
        std::ofstream(config) << global
                              << "resource r1 {\n  device /dev/drbd5; disk /dev/c; meta-disk "
                                 "internal;\n  on alpha { address "
                              << address << "; }\n  on beta { address 10.9.9.2:7789; } }\n";
    };
    write("", "192.0.2.77:7789");
    for (const char* command : {"up r1", "adjust r1", "connect r1"}) {
        const Outcome result = adm(command);
        EXPECT_EQ(result.exit, 10) << command;
        EXPECT_EQ(
            result.err,
            config + ":3: in resource r1, on alpha:\n\tIP 192.0.2.77 not found on this host.\n");
    }
    EXPECT_TRUE(daemon.requests().empty());
    EXPECT_EQ(adm("-d up r1").exit, 0);
    EXPECT_EQ(adm("--address-later up r1").exit, 0);  // at boot it may still come
    EXPECT_EQ(adm("role r1").exit, 0);
    write("global { disable-ip-verification; }\n", "192.0.2.77:7789");
    EXPECT_EQ(adm("up r1").exit, 0);
    for (const char* own : {"127.0.0.1:7789", "127.0.0.01:7789", "127.9.9.9:7789"}) {
        write("", own);
        EXPECT_EQ(adm("up r1").exit, 0) << own;
    }
}

TEST_F(Drbdadm, BecomePrimaryOnIsForTheBootAndSaysSo) {
    const auto write = [&](const std::string& who) {
        std::ofstream(config) << "global { disable-ip-verification; }\nresource r1 { startup { "
                                 "become-primary-on "
                              << who << "; }\n"
                              << "device /dev/drbd5; disk /dev/c; meta-disk internal;\n"
                                 "on alpha { address 10.9.9.1:7789; } on beta { address "
                                 "10.9.9.2:7789; } }\n";
    };
    write("beta");
    EXPECT_EQ(adm("up r1").err, "");
    EXPECT_EQ(adm("sh-b-pri r1").exit, 0);
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"up r1 settings"}));
    write("alpha");
    EXPECT_NE(adm("up r1").err.find("become-primary-on"), std::string::npos);
    EXPECT_EQ(adm("sh-b-pri r1").exit, 0);
    write("both");
    EXPECT_EQ(adm("sh-b-pri all").exit, 0);
    EXPECT_EQ(daemon.requests(),
              (std::vector<std::string>{
                  "up r1 settings", "up r1 settings", "primary r1/0", "primary r1/0"}));
}

class DrbdadmUpFails : public Drbdadm {
protected:
    DrbdadmUpFails()
        : Drbdadm([](const control::Request& request) -> std::vector<std::string> {
              return {reply_line(request,
                                 request.command == control::Command::Version ? 0 : 119,
                                 "",
                                 control::to_json(std::vector<control::Failure>{
                                     {"1", 119, ""}, {"r0", 102, "10.9.9.1:7788 is in use"}}))};
          }) {}
};

TEST_F(DrbdadmUpFails, ShowsEachFailureAndReturns1) {
    const Outcome result = adm("up r0");
    EXPECT_EQ(result.exit, 1);
    EXPECT_EQ(
        result.err,
        "1: Failure: (119) No valid meta-data signature found.\n\n"
        "\t==> Use 'drbdadm create-md res' to initialize meta-data area. <==\n\n"
        "Command 'drbdsetup attach 1 /dev/b /dev/b internal' terminated with exit code 10\n"
        "r0: Failure: (102) Local address(port) already in use.\n"
        "additional info from kernel:\n10.9.9.1:7788 is in use\n"
        "Command 'drbdsetup connect r0 ipv4:10.9.9.1:7788 ipv4:10.9.9.2:7788' terminated with "
        "exit code 10\n");
}

class DrbdadmNothingUp : public Drbdadm {
protected:
    DrbdadmNothingUp() : Drbdadm(answers_with({}, control::err::kResourceNotKnown)) {}
};

// r1 as it was brought up with another protocol, and another disk behind volume 0.
config::ResourceSettings settings_of_r1() {
    config::ResourceSettings settings;
    settings.name = "r1";
    settings.node = "alpha";
    settings.peer = "beta";
    settings.address = {config::AddressFamily::Ipv4, "10.9.9.1", 7789};
    settings.peer_address = {config::AddressFamily::Ipv4, "10.9.9.2", 7789};
    config::VolumeSettings volume;
    volume.minor = 5;
    volume.device = "/dev/drbd5";
    volume.disk = "/dev/old";
    settings.volumes = {volume};
    return settings;
}

class DrbdadmRunning : public Drbdadm {
protected:
    DrbdadmRunning()
        : Drbdadm([](const control::Request& request) -> std::vector<std::string> {
              if (request.command != control::Command::Show) {
                  return answers_with({{sample_r1()}})(request);
              }
              if (request.resource != "r1") {
                  return {reply_line(request, control::err::kResourceNotKnown, "")};
              }
              return {reply_line(request, 0, "", control::to_json(settings_of_r1()))};
          }) {}
};

TEST_F(DrbdadmRunning, AdjustDoesWhatDiffers) {
    const Outcome shown = adm("-d adjust r1");
    EXPECT_EQ(shown.out,
              "drbdsetup detach 5\n"
              "drbdmeta 5 v08 /dev/c internal apply-al\n"
              "drbdsetup attach 5 /dev/c /dev/c internal --al-extents=100\n"
              "drbdsetup net-options ipv4:10.9.9.1:7789 ipv4:10.9.9.2:7789 --set-defaults "
              "--protocol=A\n");
    const Outcome done = adm("adjust r1");
    EXPECT_EQ(done.exit, 0) << done.err;
    EXPECT_EQ(done.out, "");
    const std::vector<std::string> requests = {
        "show r1", "show r1", "detach r1/0", "attach r1/0 settings", "options r1 settings"};
    EXPECT_EQ(daemon.requests(), requests);
    EXPECT_EQ(adm("-d adjust --skip-disk --skip-net r1").out, "");
}

TEST_F(DrbdadmRunning, AdjustBringsUpWhatIsNotThere) {
    EXPECT_EQ(adm("adjust r0").exit, 0);
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"show r0", "up r0 settings"}));
}

// Written into a template, or into what a connection has of its own.
TEST_F(Drbdadm, SecretsAreKnownWhereverTheyStand) {
    const std::string extra = daemon.run_dir() + "/template";
    std::ofstream(extra) << "common { net { cram-hmac-alg sha1; shared-secret \"of all\"; } }";
    std::ofstream(config) << "resource r0 { template-file \"" + extra +
                                 "\"; device minor 0; disk /dev/a; meta-disk internal;\n"
                                 "on alpha { address 10.9.9.1:1; } on beta { address 10.9.9.2:1; "
                                 "} }\nresource r1 { device minor 1; disk /dev/b; meta-disk "
                                 "internal;\non alpha { address 10.9.9.1:2; } on beta { address "
                                 "10.9.9.2:2; }\nconnection { host alpha; host beta; net { "
                                 "shared-secret \"replace-me\"; } } }";
    std::filesystem::permissions(extra, std::filesystem::perms(0644));
    EXPECT_NE(adm("-d up r0").out.find("--shared-secret=***"), std::string::npos);
    EXPECT_NE(adm("-d up r1").out.find("--shared-secret=***"), std::string::npos);
    const std::string err = adm("up all").err;
    EXPECT_NE(err.find(extra + ":1: every user of this machine can read the shared secret"),
              std::string::npos)
        << err;
    EXPECT_NE(err.find(config + ":5: the shared secret is that of the sample"), std::string::npos)
        << err;
}

// A drbdmeta that does not come back is given up after the time of the file.
TEST_F(Drbdadm, TheLongTimeoutIsThatOfDrbdmeta) {
    const std::string slow = daemon.run_dir() + "/slow";
    std::ofstream(slow) << "#!/bin/sh\nexec sleep 30\n";
    std::filesystem::permissions(slow, std::filesystem::perms(0755));
    std::ofstream(config) << "global { cmd-timeout-long 1; disable-ip-verification; }\n"
                             "resource r1 { device minor 5; disk /dev/c; meta-disk internal;\n"
                             "on alpha { address 10.9.9.1:2; } on beta { address 10.9.9.2:2; } }";
    const Outcome result = adm("--drbdmeta=" + slow + " create-md r1");
    EXPECT_EQ(result.exit, 20);
    EXPECT_EQ(result.err,
              "Command 'drbdmeta 5 v08 /dev/c internal create-md' did not terminate within 1 "
              "seconds\n");
}

TEST_F(Drbdadm, AStackedResourceSaysWhatItStandsOn) {
    std::ofstream(config) << "global { disable-ip-verification; }\n"
                             "resource r1 { device minor 5; disk /dev/c; meta-disk internal;\n"
                             "on alpha { address 10.9.9.1:2; } on beta { address 10.9.9.2:2; } }\n"
                             "resource up { stacked-on-top-of r1 { device minor 6; address "
                             "10.9.9.9:3; }\non gamma { device minor 6; disk /dev/d; meta-disk "
                             "internal; address 10.9.9.3:3; } }";
    EXPECT_NE(adm("sh-status")
                  .out.find("_stacked_on=r1\n_stacked_on_device=/dev/drbd5\n"
                            "_stacked_on_minor=5\n_conf_volume=0\n_minor=6\n"),
              std::string::npos);
    EXPECT_EQ(adm("-S up all").exit, 0);
    EXPECT_EQ(daemon.requests().back(), "up up settings");
    EXPECT_EQ(adm("-S -d up all").out,
              "drbdsetup new-resource up\ndrbdsetup new-minor up 6 0\n"
              "drbdmeta 6 v08 /dev/drbd5 internal apply-al\n"
              "drbdsetup attach 6 /dev/drbd5 /dev/drbd5 internal\n"
              "drbdsetup connect up ipv4:10.9.9.9:3 ipv4:10.9.9.3:3\n");
}

TEST_F(Drbdadm, ShStatusIsForEval) {
    std::ofstream(config) << "resource r9 { device minor 9; disk /dev/x; meta-disk internal;\n"
                             "on alpha { address 10.9.9.1:1; } on beta { address 10.9.9.2:1; } }\n"
                             "resource r1 { device minor 5; disk /dev/c; meta-disk internal;\n"
                             "on alpha { address 10.9.9.1:2; } on beta { address 10.9.9.2:2; } }";
    const Outcome result = adm("sh-status");
    EXPECT_EQ(result.exit, 0);
    EXPECT_EQ(result.out,
              "_drbd_version=9.22.0\n_drbd_api=1\n_config_file=" +
                  std::filesystem::canonical(config).string() +
                  "\n\n\n_conf_res_name=r9\n_conf_file_line=" + config +
                  ":1\n\n_stacked_on=\n_stacked_on_device=\n_stacked_on_minor=\n_conf_volume=0\n"
                  "_minor=9\n_res_name=\n_volume=-1\n"
                  "_known=NA # not available or not yet created\n\n_cstate=Unconfigured\n_role=\n"
                  "_peer=\n_disk=\n_pdsk=\n_flags_susp=\n_flags_aftr_isp=\n_flags_peer_isp=\n"
                  "_flags_user_isp=\n_resynced_percent=\n\n_sh_status_process\n\n\n"
                  "_conf_res_name=r1\n_conf_file_line=" +
                  config +
                  ":3\n\n_stacked_on=\n_stacked_on_device=\n_stacked_on_minor=\n_conf_volume=0\n"
                  "_minor=5\n_res_name=r1\n_volume=0\n_known=Configured\n\n_cstate=Connected\n"
                  "_role=Secondary\n_peer=Secondary\n_disk=UpToDate\n_pdsk=UpToDate\n\n"
                  "_flags_susp=\n_flags_aftr_isp=\n_flags_peer_isp=\n_flags_user_isp=\n\n"
                  "_resynced_percent=\n\n_sh_status_process\n\n\n");
}

class DrbdadmAttached : public Drbdadm {
protected:
    DrbdadmAttached()
        : Drbdadm([](const control::Request& request) -> std::vector<std::string> {
              const std::vector<control::Failure> all = {
                  {"0", 124, ""}, {"1", 124, ""}, {"r0", 102, ""}};
              const bool attach = request.command == control::Command::Attach;
              const bool version = request.command == control::Command::Version;
              return {
                  reply_line(request,
                             version ? 0 : 124,
                             "",
                             attach || version ? control::Json::object() : control::to_json(all))};
          }) {}
};

TEST_F(DrbdadmAttached, SaysSoLikeTheOriginal) {
    const std::string first =
        "Device '0' is configured!\n"
        "Command 'drbdmeta 0 v08 /dev/a internal apply-al' terminated with exit code 20\n";
    const Outcome attach = adm("attach r0/0");
    EXPECT_EQ(attach.exit, 20);
    EXPECT_EQ(attach.err, first);
    const Outcome up = adm("up r0");
    EXPECT_EQ(up.exit, 1);
    EXPECT_EQ(up.err,
              first +
                  "Device '1' is configured!\n"
                  "Command 'drbdmeta 1 v08 /dev/b internal apply-al' terminated with exit code "
                  "20\n");
}

TEST_F(DrbdadmNothingUp, SaysSoLikeTheOriginal) {
    const Outcome role = adm("role r0");
    EXPECT_EQ(role.exit, 10);
    EXPECT_EQ(role.out, "");
    EXPECT_EQ(role.err,
              "0: Failure: (127) Device minor not allocated\n"
              "additional info from kernel:\nunknown minor\n"
              "Command 'drbdsetup role 0' terminated with exit code 10\n");
    const Outcome status = adm("status r1");
    EXPECT_EQ(status.exit, 10);
    EXPECT_EQ(status.err,
              "r1: No such resource\nCommand 'drbdsetup status r1' terminated with exit code 10\n");
    const Outcome primary = adm("primary r1");
    EXPECT_EQ(primary.exit, 10);
    EXPECT_NE(primary.err.find("5: Failure: (127) Device minor not allocated"), std::string::npos);
    const Outcome down = adm("down r1");
    EXPECT_EQ(down.exit, 0);
    EXPECT_EQ(down.err, "Resource unknown\n");
}

TEST_F(Drbdadm, WithoutADaemonOnlyDownAndSecondarySucceed) {
    const TempDir empty;
    const auto without = [&](const std::string& command) {
        return run({"--node", "alpha", "--run-dir", empty.path(), "-c", config, command, "r1"});
    };
    EXPECT_EQ(without("down").exit, 0);
    EXPECT_EQ(without("secondary").exit, 0);
    for (const char* command : {"role", "cstate", "status", "primary", "connect", "wait-connect"}) {
        const Outcome result = without(command);
        EXPECT_EQ(result.exit, 20) << command;
        EXPECT_NE(result.err.find("drbdd is not running"), std::string::npos);
    }
}

// A stand-in for drbdmeta that says how it was called.
TEST_F(Drbdadm, MetadataCommandsRunDrbdmeta) {
    const std::string script = daemon.run_dir() + "/meta";
    std::ofstream(script) << "#!/bin/sh\necho \"$@\" >> " << daemon.run_dir()
                          << "/calls\nexit 10\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    const Outcome result = adm("-m " + script + " create-md --force r0");
    EXPECT_EQ(result.exit, 10);
    EXPECT_EQ(
        result.err,
        "Command 'drbdmeta 0 v08 /dev/a internal create-md --force' terminated with exit code "
        "10\n");
    std::ifstream calls(daemon.run_dir() + "/calls");
    std::string line;
    std::getline(calls, line);
    EXPECT_EQ(line, "0 v08 /dev/a internal create-md --force");
}

TEST_F(DrbdadmNothingUp, AsksThePlainFileOfADeviceThatIsDown) {
    const std::string script = daemon.run_dir() + "/meta";
    std::ofstream(script) << "#!/bin/sh\nexec echo \"$@\" > " << daemon.run_dir() << "/calls\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    const std::string disk = daemon.run_dir() + "/disk";
    std::ofstream(disk) << "data";
    std::ofstream(config)
        << "resource r1 { device minor 5; meta-disk internal; disk " << disk
        << ";\non alpha { address 10.9.9.1:1; } on beta { address 10.9.9.2:1; } }";
    EXPECT_EQ(adm("-m " + script + " dstate r1").exit, 0);
    std::ifstream calls(daemon.run_dir() + "/calls");
    std::string line;
    std::getline(calls, line);
    EXPECT_EQ(line, "--force 5 v08 " + disk + " internal dstate");
}

TEST(CommandLine, OptionsMayStandAnywhere) {
    const auto line = drbdadm::parse_command_line({"wait-connect", "--wfc=5", "r0", "-d"});
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(line->command, "wait-connect");
    EXPECT_EQ(line->operands, std::vector<std::string>{"r0"});
    EXPECT_EQ(line->wfc_timeout, "5");
    EXPECT_TRUE(line->dry_run);
}

TEST(CommandLine, SaysWhatIsWrong) {
    EXPECT_EQ(drbdadm::parse_command_line({"up", "-x"}).error().text,
              "drbdadm: invalid option -- 'x'");
    EXPECT_EQ(drbdadm::parse_command_line({"up", "--force=yes"}).error().text,
              "drbdadm: unrecognized option '--force=yes'");
    EXPECT_EQ(drbdadm::parse_command_line({"up", "--node"}).error().text,
              "drbdadm: option '--node' requires an argument");
}

}  // namespace
