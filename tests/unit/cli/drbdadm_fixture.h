// drbdadm run in this process, with a file of three resources and a daemon to talk to.
#pragma once

#include "cli/drbdadm/program.h"
#include "tests/unit/cli/fake_daemon.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

struct Outcome {
    int exit = 0;
    std::string out;
    std::string err;
};

inline Outcome run(const std::vector<std::string>& words) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Outcome result;
    result.exit = drbdadm::run(words);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

inline std::vector<std::string> split(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    return words;
}

inline constexpr const char* kConfig = R"(
global { usage-count no; disable-ip-verification; }
common { net { protocol A; } disk { al-extents 100; } }
resource r0 {
    net { shared-secret "with space"; cram-hmac-alg sha1; }
    disk { resync-rate 40M; }
    volume 0 { device minor 0; disk /dev/a; meta-disk internal; }
    volume 1 { device minor 1; disk /dev/b; meta-disk internal; disk { size 1G; } }
    on alpha { address 10.9.9.1:7788; }
    on beta { address 10.9.9.2:7788; }
}
resource r1 {
    device /dev/drbd5; disk /dev/c; meta-disk internal;
    on alpha { address 10.9.9.1:7789; }
    on beta { address 10.9.9.2:7789; }
}
resource elsewhere {
    device /dev/drbd6; disk /dev/d; meta-disk internal;
    on gamma { address 10.9.9.1:7790; }
    on delta { address 10.9.9.2:7790; }
}
)";

class Drbdadm : public testing::Test {
protected:
    explicit Drbdadm(FakeDaemon::Answer answer = answers_with({{sample_r0(), sample_r1()}}))
        : daemon(std::move(answer)), config(daemon.run_dir() + "/drbd.conf") {
        std::ofstream(config) << kConfig;
        std::filesystem::permissions(config, std::filesystem::perms(0600));
    }

    Outcome adm(const std::string& words) {
        std::vector<std::string> all = {
            "--node", "alpha", "--run-dir", daemon.run_dir(), "-c", config};
        const std::vector<std::string> more = split(words);
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    }

    FakeDaemon daemon;
    std::string config;
};
