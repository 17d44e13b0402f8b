// A daemon for the tools to talk to: a thread on a unix socket in a folder of its own.
#pragma once

#include "drbdd/control/messages.h"

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// A folder below the system's place for such, removed at the end.
class TempDir {
public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

class FakeDaemon {
public:
    // Lines to answer a request with.
    using Answer = std::function<std::vector<std::string>(const control::Request&)>;

    explicit FakeDaemon(Answer answer);
    ~FakeDaemon();
    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;

    const std::string& run_dir() const { return dir_.path(); }

    // "primary r0/0 force", one for each request so far, without version and status.
    std::vector<std::string> requests() const;

private:
    void serve();
    bool serve_client(int fd, std::string& received);

    TempDir dir_;
    Answer answer_;
    int listen_fd_ = -1;
    int stop_fds_[2] = {-1, -1};
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;  // guarded by mutex_
    std::thread thread_;
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
