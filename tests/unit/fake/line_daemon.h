// A daemon for the tools to talk to: a thread on a unix socket in a folder of its own.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fake {

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

class LineDaemon {
public:
    // Lines to answer a line with; none leaves the client without an answer, an empty one hangs up.
    // Called on the daemon's thread.
    using Answer = std::function<std::vector<std::string>(const std::string& line)>;

    LineDaemon(const std::string& socket_name, Answer answer);
    ~LineDaemon();
    LineDaemon(const LineDaemon&) = delete;
    LineDaemon& operator=(const LineDaemon&) = delete;

    const std::string& run_dir() const { return dir_.path(); }

private:
    void serve();
    bool serve_client(int fd, std::string& received);

    TempDir dir_;
    Answer answer_;
    int listen_fd_ = -1;
    int stop_fds_[2] = {-1, -1};
    std::thread thread_;
};

// What was asked so far; one thread adds, another one looks.
class Log {
public:
    void add(std::string line);
    std::vector<std::string> lines() const;

private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;  // guarded by mutex_
};

}  // namespace fake
