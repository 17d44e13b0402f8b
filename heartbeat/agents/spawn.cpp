#include "heartbeat/agents/spawn.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hb {

namespace {

constexpr int kCommandNotFound = 127;

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

// A handler of ours must not run in a child: its pipe is the parent's.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }

    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_{};
};

struct Beginning {
    int parent;  // says when; hears why not
    int out;
    int err;
    const char* path;
    char* const* words;
    char* const* script_words;
    char* const* environment;
};

void forget_signals() {
    for (int signal = 1; signal < NSIG; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The child, between fork() and exec(): nothing but system calls.
[[noreturn]] void begin(const Beginning& it) {
    ::setpgid(0, 0);
    const sched_param ordinary{};
    ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
    char go = 0;
    if (::recv(it.parent, &go, 1, MSG_WAITALL) != 1) {
        ::_exit(kCommandNotFound);  // nobody would know of it
    }
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, STDIN_FILENO);
    ::dup2(it.out, STDOUT_FILENO);
    ::dup2(it.err, STDERR_FILENO);
    const auto parent = static_cast<unsigned>(it.parent);
    ::syscall(SYS_close_range, STDERR_FILENO + 1, parent - 1, 0);
    ::syscall(SYS_close_range, parent + 1, ~0U, 0);
    forget_signals();
    ::execve(it.path, it.words, it.environment);
    if (errno == ENOEXEC) {
        ::execve("/bin/sh", it.script_words, it.environment);
    }
    const int error = errno;
    (void)!::send(it.parent, &error, sizeof error, MSG_NOSIGNAL);
    ::_exit(kCommandNotFound);
}

// 0: the program has begun. Nothing more is heard of the socket then.
int let_begin(int child, pid_t pid, const SpawnOptions::Born& born) {
    born(pid);
    const char go = 1;
    (void)!::send(child, &go, 1, MSG_NOSIGNAL);
    int error = 0;
    return ::recv(child, &error, sizeof error, MSG_WAITALL) == sizeof error ? error : 0;
}

}  // namespace

SpawnOptions::SpawnOptions(int out, int err) : out_(out), err_(err) {
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

int SpawnOptions::spawn_known(pid_t& pid,
                              const std::vector<std::string>& argv,
                              const std::vector<std::string>& variables,
                              const Born& born) const {
    const std::string path = path_of(argv.front(), variables);
    std::vector<std::string> script = argv;
    script.front() = path;
    script.insert(script.begin(), "sh");
    const std::vector<char*> words = words_of(argv);
    const std::vector<char*> script_words = words_of(script);
    const std::vector<char*> environment = words_of(variables);
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return errno;
    }
    const Beginning beginning{
        ends[1], out_, err_, path.c_str(), words.data(), script_words.data(), environment.data()};
    SignalsBlocked blocked;
    pid = ::fork();
    const int failed = pid < 0 ? errno : 0;
    if (pid == 0) {
        ::close(ends[0]);
        begin(beginning);
    }
    ::close(ends[1]);
    const int error = failed != 0 ? failed : let_begin(ends[0], pid, born);
    ::close(ends[0]);
    if (error != 0 && pid > 0) {
        ::waitpid(pid, nullptr, 0);
    }
    return error;
}

}  // namespace hb
