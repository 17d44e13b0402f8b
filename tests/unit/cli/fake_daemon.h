// The daemon for drbdadm and drbdsetup to talk to.
#pragma once

#include "drbdd/control/messages.h"
#include "tests/unit/fake/line_daemon.h"

#include <functional>
#include <string>
#include <vector>

using fake::TempDir;

class FakeDaemon {
public:
    // Lines to answer a request with.
    using Answer = std::function<std::vector<std::string>(const control::Request&)>;

    explicit FakeDaemon(Answer answer);

    const std::string& run_dir() const { return daemon_.run_dir(); }

    // "primary r0/0 force", one for each request so far, without version and status.
    std::vector<std::string> requests() const { return log_.lines(); }

private:
    std::vector<std::string> answer_line(const std::string& line);

    Answer answer_;
    fake::Log log_;
    fake::LineDaemon daemon_;  // last: its thread uses the others
};

// An answer for every request: status with these resources, and for the rest `code` and `text`.
FakeDaemon::Answer answers_with(control::Snapshot snapshot, int code = 0, std::string text = "");

std::string reply_line(const control::Request& request,
                       int code,
                       const std::string& text,
                       control::Json data = control::Json::object());

// Resource r1 of the captures: one volume, minor 5, connected and UpToDate.
control::ResourceStatus sample_r1();

// Resource r0: volumes 0 and 1, being a SyncTarget.
control::ResourceStatus sample_r0();
