// The failover daemon for the tools to talk to.
#pragma once

#include "heartbeat/control/messages.h"
#include "tests/unit/fake/line_daemon.h"

#include <functional>
#include <string>
#include <vector>

class FakeDaemon {
public:
    // Lines to answer a request with; an empty list leaves the client without an answer, an empty
    // line hangs up.
    using Answer = std::function<std::vector<std::string>(const hb::control::Request&)>;

    explicit FakeDaemon(Answer answer);

    const std::string& run_dir() const { return daemon_.run_dir(); }

    // "standby foreign wait", one for each request so far.
    std::vector<std::string> requests() const { return log_.lines(); }

private:
    std::vector<std::string> answer_line(const std::string& line);

    Answer answer_;
    fake::Log log_;
    fake::LineDaemon daemon_;  // last: its thread uses the others
};

std::string reply_line(const hb::control::Request& request,
                       int exit,
                       const std::string& text,
                       hb::control::Json data = hb::control::Json::object());

// The status for `status`, and for the rest `exit` and `text`.
FakeDaemon::Answer answers_with(hb::control::Status status, int exit = 0, std::string text = "");

// node-a of the captures: two links, a ping node, its own group held.
hb::control::Status sample_status();

// What a tool said.
struct Said {
    int exit = 0;
    std::string out;
    std::string err;
};
