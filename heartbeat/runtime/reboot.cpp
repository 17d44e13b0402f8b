#include "heartbeat/runtime/reboot.h"

#include "heartbeat/agents/spawn.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace hb {

namespace {

// reboot(2), and if this process may not, the key that the kernel obeys without asking anybody.
void ask_kernel() {
    ::reboot(RB_AUTOBOOT);
    const FileDescriptor trigger(::open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC));
    if (trigger.open()) {
        (void)!::write(trigger.get(), "b", 1);
    }
}

// False: it could not be run, or has failed.
bool run_command(const std::string& command, std::chrono::milliseconds patience) {
    const FileDescriptor null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const SpawnOptions options(null.get(), null.get());
    pid_t pid = 0;
    const std::vector<std::string> variables = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    if (options.spawn(pid, {"/bin/sh", "-c", command}, variables) != 0) {
        return false;
    }
    const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const auto end = std::chrono::steady_clock::now() + patience;
    pollfd waiting{process.get(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(patience.count()));
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid &&
        !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        return false;
    }
    std::this_thread::sleep_until(end);  // what it asked for may take a moment
    return true;
}

}  // namespace

ResetMeans reset_means(const std::string& command) {
    return {command, ResetMeans{}.patience, ask_kernel};
}

void reset_machine(const ResetMeans& means) {
    run_command(means.command, means.patience);
    means.kernel();
}

}  // namespace hb
