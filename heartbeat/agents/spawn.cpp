#include "heartbeat/agents/spawn.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace hb {

namespace {

// The child's own PATH decides, not ours.
std::string path_of(const std::string& name, const std::vector<std::string>& variables) {
    if (name.find('/') != std::string::npos) {
        return name;
    }
    std::string directories = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string& variable : variables) {
        if (variable.starts_with("PATH=")) {
            directories = variable.substr(5);
        }
    }
    for (std::size_t begin = 0; begin <= directories.size();) {
        const std::size_t end = std::min(directories.find(':', begin), directories.size());
        const std::string path = directories.substr(begin, end - begin) + "/" + name;
        if (end > begin && ::access(path.c_str(), X_OK) == 0) {
            return path;
        }
        begin = end + 1;
    }
    return name;
}

std::vector<char*> words_of(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) {
        pointers.push_back(const_cast<char*>(word.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

SpawnOptions::SpawnOptions(int out, int err) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t signals;
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    const sched_param ordinary{};
    ::posix_spawnattr_setschedpolicy(&attributes_, SCHED_OTHER);
    ::posix_spawnattr_setschedparam(&attributes_, &ordinary);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSCHEDULER);
}

SpawnOptions::~SpawnOptions() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
}

int SpawnOptions::spawn(pid_t& pid,
                        const std::vector<std::string>& argv,
                        const std::vector<std::string>& variables) const {
    const std::vector<char*> environment = words_of(variables);
    const auto once = [&](const std::string& path, const std::vector<std::string>& words) {
        const std::vector<char*> pointers = words_of(words);
        return ::posix_spawn(
            &pid, path.c_str(), &actions_, &attributes_, pointers.data(), environment.data());
    };
    const std::string path = path_of(argv.front(), variables);
    const int error = once(path, argv);
    if (error != ENOEXEC) {
        return error;
    }
    std::vector<std::string> script = argv;
    script.front() = path;
    script.insert(script.begin(), "sh");
    return once("/bin/sh", script);
}

}  // namespace hb
