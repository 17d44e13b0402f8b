// A failover daemon for the tools to talk to: a thread on a unix socket in a folder of its own.
#pragma once

#include "heartbeat/control/messages.h"

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class FakeDaemon {
public:
    // Lines to answer a request with; an empty list leaves the client without an answer.
    using Answer = std::function<std::vector<std::string>(const hb::control::Request&)>;

    explicit FakeDaemon(Answer answer);
    ~FakeDaemon();
    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;

    const std::string& run_dir() const { return run_dir_; }

    // "standby foreign wait", one for each request so far.
    std::vector<std::string> requests() const;

private:
    void serve();
    bool serve_client(int fd, std::string& received);

    std::string run_dir_;
    Answer answer_;
    int listen_fd_ = -1;
    int stop_fds_[2] = {-1, -1};
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;  // guarded by mutex_
    std::thread thread_;
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
