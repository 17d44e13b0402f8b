// Every name of the original's drbdadm, the names of peers, and those of handlers.
#include "cli/drbdadm/commands.h"
#include "cli/drbdadm/refused.h"
#include "tests/unit/cli/drbdadm_fixture.h"

#include <fcntl.h>
#include <unistd.h>

namespace {

// All of drbdadm-84 and of drbdadm 9.22, in the order of their help texts.
constexpr const char* kNamesOfTheOriginals[] = {
    "attach",
    "status",
    "disk-options",
    "detach",
    "connect",
    "net-options",
    "disconnect",
    "up",
    "resource-options",
    "down",
    "primary",
    "secondary",
    "invalidate",
    "invalidate-remote",
    "outdate",
    "resize",
    "verify",
    "pause-sync",
    "resume-sync",
    "adjust",
    "adjust-with-progress",
    "wait-connect",
    "wait-con-int",
    "role",
    "cstate",
    "dstate",
    "dump",
    "dump-xml",
    "create-md",
    "show-gi",
    "get-gi",
    "dump-md",
    "wipe-md",
    "apply-al",
    "hidden-commands",
    "sh-nop",
    "sh-resources",
    "sh-resource",
    "sh-mod-parms",
    "sh-dev",
    "sh-udev",
    "sh-minor",
    "sh-ll-dev",
    "sh-md-dev",
    "sh-md-idx",
    "sh-ip",
    "sh-lr-of",
    "sh-b-pri",
    "sh-status",
    "proxy-up",
    "proxy-down",
    "new-resource",
    "before-resync-target",
    "after-resync-target",
    "before-resync-source",
    "pri-on-incon-degr",
    "pri-lost-after-sb",
    "fence-peer",
    "unfence-peer",
    "local-io-error",
    "pri-lost",
    "initial-split-brain",
    "split-brain",
    "out-of-sync",
    "sh-new-minor",
    "new-minor",
    "suspend-io",
    "resume-io",
    "set-gi",
    "new-current-uuid",
    "check-resize",
    "new-path",
    "new-peer",
    "peer-device-options",
    "del-path",
    "del-peer",
    "wait-sync",
    "forget-peer",
    "disconnected",
    "quorum-lost",
    "del-minor",
};

TEST_F(Drbdadm, EveryNameOfTheOriginalsAnswersOrIsRefusedWithAReason) {
    for (const std::string name : kNamesOfTheOriginals) {
        const std::string why(drbdadm::why_refused(name));
        const Outcome dry = adm("-d " + name + " r1");
        EXPECT_EQ(dry.err.find("Unknown command"), std::string::npos) << name;
        // adjust asks what runs, which this daemon does not say.
        const int answered = name.starts_with("adjust") ? 20 : 0;
        EXPECT_EQ(dry.exit, drbdadm::is_command(name) ? answered : 1) << name << ": " << dry.err;
        EXPECT_TRUE(drbdadm::is_command(name) || !why.empty()) << name;
        if (!why.empty()) {
            const Outcome result = adm(name + " r1");
            EXPECT_EQ(result.exit, 1) << name;
            EXPECT_EQ(result.err,
                      "drbdadm: command '" + name +
                          "' is known but not supported by this version of drbdd: " + why + "\n");
        }
    }
    for (const std::string& request : daemon.requests()) {
        EXPECT_EQ(request, "show r1");
    }
}

TEST_F(Drbdadm, APeerIsNamedByItsHost) {
    EXPECT_EQ(adm("--peer beta disconnect r1").exit, 0);
    EXPECT_EQ(adm("disconnect r1:beta").exit, 0);
    EXPECT_EQ(adm("sh-minor r0:beta/1").out, "1\n");
    for (const char* words : {"disconnect r1:gamma", "-P alpha disconnect r1"}) {
        const Outcome result = adm(words);
        EXPECT_EQ(result.exit, 1) << words;
        EXPECT_NE(result.err.find("is no peer of resource 'r1'."), std::string::npos) << words;
    }
    EXPECT_EQ(daemon.requests(), (std::vector<std::string>{"disconnect r1", "disconnect r1"}));
}

TEST_F(Drbdadm, AHandlerRunsInTheEnvironmentOfTheOriginal) {
    std::ofstream(config, std::ios::app)
        << "resource h { handlers { fence-peer \"echo $DRBD_RESOURCE $DRBD_MINOR $DRBD_PEER "
           "$DRBD_PEER_ADDRESS; exit 4\"; out-of-sync \"echo $DRBD_VOLUME $DRBD_LL_DISK\"; }\n"
           "volume 0 { device minor 20; disk /dev/e; meta-disk internal; }\n"
           "volume 1 { device minor 21; disk /dev/f; meta-disk internal; }\n"
           "on alpha { address 10.9.9.1:7799; } on beta { address 10.9.9.2:7799; } }";
    const std::string file = daemon.run_dir() + "/out";
    const auto run_into_file = [&](const std::string& words) {
        std::fflush(stdout);
        const int saved = ::dup(1);
        const int to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(to, 1);
        std::vector<std::string> all = {
            "--node", "alpha", "--run-dir", daemon.run_dir(), "-c", config};
        for (const std::string& word : split(words)) {
            all.push_back(word);
        }
        const int exit = drbdadm::run(all);
        std::fflush(stdout);
        ::dup2(saved, 1);
        ::close(saved);
        ::close(to);
        std::stringstream text;
        text << std::ifstream(file).rdbuf();
        return std::to_string(exit) + " " + text.str();
    };
    EXPECT_EQ(run_into_file("fence-peer h"), "4 h 20 21 beta 10.9.9.2\n");
    EXPECT_EQ(run_into_file("out-of-sync minor-21"), "0 1 /dev/f\n");
    EXPECT_EQ(run_into_file("split-brain h"), "0 ");
    EXPECT_EQ(run_into_file("-d outdate-peer h").substr(0, 7), "0 echo ");
}

}  // namespace
