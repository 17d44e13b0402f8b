// How a child of the daemon begins: without our descriptors, signals, priority and environment.
#pragma once

#include <functional>
#include <spawn.h>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hb {

// The daemon may be a real-time process that blocks signals: none of that is for its children.
// Each leads a process group of its own, reads nothing, and has no descriptor but 0, 1 and 2.
class SpawnOptions {
public:
    SpawnOptions(int out, int err);
    ~SpawnOptions();
    SpawnOptions(const SpawnOptions&) = delete;
    SpawnOptions& operator=(const SpawnOptions&) = delete;

    // 0 or errno. argv[0] is a path, or a name that is looked up in the PATH of `variables`. A
    // script without #! is run by the shell, as a shell would do.
    int spawn(pid_t& pid,
              const std::vector<std::string>& argv,
              const std::vector<std::string>& variables) const;

    // Likewise; but the program does not begin before `born` has returned, and never if this
    // process ends before that: what `born` writes down is known of every program that has begun.
    using Born = std::function<void(pid_t)>;
    int spawn_known(pid_t& pid,
                    const std::vector<std::string>& argv,
                    const std::vector<std::string>& variables,
                    const Born& born) const;

private:
    const int out_;
    const int err_;
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

}  // namespace hb
