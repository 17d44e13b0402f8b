#include "heartbeat/runtime/guard.h"

#include "heartbeat/agents/resource_manager.h"
#include "heartbeat/runtime/last_words.h"
#include "heartbeat/runtime/pid_file.h"
#include "heartbeat/runtime/state_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <sstream>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

using std::chrono::milliseconds;

constexpr int kPipe = 3;
constexpr char kDismissed = 'x';
constexpr milliseconds kLook{50};
constexpr milliseconds kSpeak{1000};
constexpr milliseconds kTermToKill{5000};
constexpr milliseconds kStopLimit{60'000};  // of a stop that was at work, unless configured
constexpr milliseconds kSpare{10'000};      // of what is announced, beyond our patience

// Nothing of the daemon's: no descriptor, no terminal, no signal that was meant for it.
void become_guard(int pipe) {
    ::setsid();
    ::prctl(PR_SET_NAME, "hb_guard");
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2}) {
        ::signal(signal, SIG_IGN);
    }
    ::signal(SIGCHLD, SIG_DFL);
    ::dup2(pipe, kPipe);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null, standard);
    }
    ::syscall(SYS_close_range, kPipe + 1, ~0U, 0);
    (void)!::chdir("/");
}

// True: the daemon has died. A dismissal is read before the end.
bool wait_for_death() {
    char byte = 0;
    ssize_t got = 0;
    while ((got = ::read(kPipe, &byte, 1)) < 0 && errno == EINTR) {
    }
    return got == 0;
}

[[noreturn]] void watch(int pipe, const GuardSetup& setup) {
    become_guard(pipe);
    if (wait_for_death()) {
        take_care(setup);
    }
    ::_exit(0);
}

Configuration configuration_now(const GuardSetup& setup) {
    LoadedConfiguration loaded = load_configuration(setup.options.ha_dir, setup.options.node);
    return loaded.findings.ok() ? std::move(loaded.value) : setup.configuration;
}

// Says again and again that the partner is to wait, as long as it lives.
class Announcer {
public:
    Announcer(LastWords& words, milliseconds pause) : words_(words), pause_(pause) {
        thread_ = std::thread([this] { run(); });
    }

    ~Announcer() {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    Announcer(const Announcer&) = delete;
    Announcer& operator=(const Announcer&) = delete;

private:
    void run() {
        std::unique_lock lock(mutex_);
        while (!changed_.wait_for(lock, kSpeak, [this] { return ending_; })) {
            words_.announce(pause_);
        }
    }

    LastWords& words_;
    const milliseconds pause_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ending_ = false;
    std::thread thread_;
};

// True: a daemon runs, and the resources are in its care.
bool await_new_daemon(const GuardSetup& setup, LastWords& words) {
    const auto end = std::chrono::steady_clock::now() + setup.patience;
    LifeFile file(setup.options.run_dir);
    auto speak = std::chrono::steady_clock::now();
    while (!running_daemon(setup.options.run_dir)) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= end) {
            return false;
        }
        if (now >= speak) {
            words.announce(setup.patience + kSpare);
            (void)file.write(words.life());
            speak = now + kSpeak;
        }
        std::this_thread::sleep_for(kLook);
    }
    return true;
}

// What the daemon had at work when it died: a stop may end its work, all else is ended. False: not
// even SIGKILL ends one, or its stop takes longer than it may.
bool end_agents(const std::vector<RunningAgent>& agents, milliseconds stop_limit) {
    bool ended = true;
    for (const RunningAgent& agent : agents) {
        const FileDescriptor process(open_process(agent.process));
        if (!process.open()) {
            continue;
        }
        const bool stop = agent.operation == AgentOperation::stop;
        if (stop && await_end(process.get(), stop_limit)) {
            continue;
        }
        signal_group(process.get(), agent.process.pid, SIGTERM);
        signal_group(process.get(), agent.process.pid, SIGCONT);
        if (!await_end(process.get(), kTermToKill)) {
            signal_group(process.get(), agent.process.pid, SIGKILL);
            ended = await_end(process.get(), kTermToKill) && ended;
        }
    }
    return ended;
}

// False: something may run still.
bool stop_resources(const GuardSetup& setup,
                    const Configuration& configuration,
                    const Life& life,
                    base::LogSink& log) {
    ResourceManager::Setup manager;
    manager.resources = configuration.settings.resources;
    manager.paths.ha_dir = setup.options.ha_dir;
    manager.paths.own_dir = setup.options.agent_dir;
    manager.node = configuration.settings.node;
    manager.stop_retries = setup.stop_retries;
    manager.variables = agent_variables(setup.options, configuration, 0, "active", "");
    bool stopped = true;
    for (auto group = life.groups.rbegin(); group != life.groups.rend(); ++group) {
        const std::string& key = *group;
        std::ostringstream said;
        ResourceManager resources(manager, said, said);
        const bool known = manager.resources.find(key) != nullptr;
        const bool good = known && resources.run({"givegroup", key}) == 0;
        log.write(good ? base::LogLevel::Info : base::LogLevel::Alert,
                  "resource group " + key + (good ? " is stopped" : " cannot be stopped: ") +
                      (good ? "" : said.str()));
        stopped = stopped && good;
    }
    return stopped;
}

}  // namespace

Guard Guard::start(GuardSetup setup) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return {};
    }
    const FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    const pid_t middle = ::fork();
    if (middle == 0) {
        // Not the daemon's child, which nobody would wait for.
        if (::fork() != 0) {
            ::_exit(0);
        }
        ::close(writing.release());
        watch(reading.get(), setup);
    }
    if (middle < 0) {
        return {};
    }
    ::waitpid(middle, nullptr, 0);
    return Guard(std::move(writing));
}

Guard Guard::inherited(int descriptor) {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    return Guard(FileDescriptor(descriptor));
}

void Guard::dismiss() {
    if (pipe_.open()) {
        (void)!::write(pipe_.get(), &kDismissed, 1);
        pipe_ = FileDescriptor();
    }
}

int Guard::keep_over_exec() {
    if (pipe_.open()) {
        ::fcntl(pipe_.get(), F_SETFD, 0);
    }
    return pipe_.release();
}

void take_care(const GuardSetup& setup) {
    const auto life = LifeFile::read(setup.options.run_dir);
    if (!life || life->boot != boot_id()) {
        return;  // it had said nothing yet, or it has ended in order
    }
    LogTargets targets = setup.targets;
    targets.standard_error = false;
    if (targets.logfile.empty() && targets.debugfile.empty() && !targets.facility) {
        targets.facility = syslog_facility("daemon");
    }
    LogWriter log(targets);
    const Configuration configuration = configuration_now(setup);
    const config::HaCf& conf = configuration.settings.ha_cf;
    const bool from_name = conf.uuidfrom == config::UuidFrom::NodeName;
    const auto uuid = node_uuid(setup.options.state_dir,
                                from_name ? std::optional<std::string>(life->node) : std::nullopt,
                                log);
    LastWords words(configuration, *life, uuid ? *uuid : Uuid{});
    log.write(base::LogLevel::Error, "The daemon is gone without a word: waiting for a new one");
    if (await_new_daemon(setup, words)) {
        return;
    }
    const auto claim = claim_run_directory(setup.options.run_dir);
    if (!claim) {
        return;  // one has come after all
    }
    log.write(base::LogLevel::Alert,
              "No new daemon has come: the resources of this node are stopped");
    {
        const Announcer announcer(words, setup.patience + kSpare);
        const auto stop_limit = configuration.settings.policy.stop_timeout.value_or(kStopLimit);
        if (!end_agents(life->agents, stop_limit) ||
            !stop_resources(setup, configuration, *life, log)) {
            reset_machine(setup.reset);
            return;
        }
    }
    words.say_goodbye();
    LifeFile(setup.options.run_dir).remove();
}

}  // namespace hb
