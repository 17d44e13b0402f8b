#include "heartbeat/runtime/successor.h"

#include "heartbeat/agents/kept_output.h"
#include "heartbeat/agents/printable.h"
#include "heartbeat/agents/spawn.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hb {

namespace {

constexpr int kPatienceMs = 5000;
constexpr std::size_t kShown = 4096;

std::vector<std::string> own_environment() {
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        variables.emplace_back(*variable);
    }
    return variables;
}

}  // namespace

base::Result<void> try_successor(const std::vector<std::string>& words) {
    const auto failure = [](const std::string& why) {
        return base::Error{base::ErrorCode::State, "a new daemon would not come up: " + why};
    };
    KeptOutput said;
    const FileDescriptor null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (!said.open() || !null.open()) {
        return failure(std::strerror(errno));
    }
    std::vector<std::string> argv = words;
    argv.front() = "/proc/" + std::to_string(::getpid()) + "/exe";
    pid_t pid = 0;
    const SpawnOptions options(null.get(), said.descriptor());
    if (const int error = options.spawn(pid, argv, own_environment()); error != 0) {
        return failure(std::strerror(error));
    }
    const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    pollfd waiting{process.get(), POLLIN, 0};
    const bool ended = ::poll(&waiting, 1, kPatienceMs) == 1;
    if (!ended) {
        ::kill(-pid, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return {};
    }
    return failure(ended ? first_printable_line(said.text(kShown)) : "it does not answer");
}

}  // namespace hb
