#include "heartbeat/agents/child_runner.h"

#include "base/require.h"
#include "heartbeat/agents/output_reader.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sched.h>
#include <set>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kComplaintLimit = 4096;

struct Pipe {
    int read = -1;
    int write = -1;

    Pipe() = default;
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;

    ~Pipe() {
        for (const int fd : {read, write}) {
            if (fd >= 0) {
                ::close(fd);
            }
        }
    }

    bool open() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            return false;
        }
        read = ends[0];
        write = ends[1];
        return ::fcntl(read, F_SETFL, O_NONBLOCK) == 0;
    }

    int take_read() { return std::exchange(read, -1); }
};

// The child's own PATH decides, not ours.
std::string path_of(const ChildCommand& command) {
    const std::string& name = command.argv.front();
    if (name.find('/') != std::string::npos) {
        return name;
    }
    std::string directories = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string& variable : command.variables) {
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

// The daemon may be a real-time process that blocks signals: none of that is for its children.
class SpawnOptions {
public:
    SpawnOptions(int out, int err) {
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

    ~SpawnOptions() {
        ::posix_spawnattr_destroy(&attributes_);
        ::posix_spawn_file_actions_destroy(&actions_);
    }

    SpawnOptions(const SpawnOptions&) = delete;
    SpawnOptions& operator=(const SpawnOptions&) = delete;

    // A script without #! is run by the shell, as a shell would do.
    int spawn(pid_t& pid, const ChildCommand& command) const {
        const std::string path = path_of(command);
        const std::vector<char*> variables = words_of(command.variables);
        std::vector<std::string> argv = command.argv;
        int error = spawn_once(pid, path, argv, variables);
        if (error == ENOEXEC) {
            argv.front() = path;
            argv.insert(argv.begin(), "sh");
            error = spawn_once(pid, "/bin/sh", argv, variables);
        }
        return error;
    }

private:
    int spawn_once(pid_t& pid,
                   const std::string& path,
                   const std::vector<std::string>& argv,
                   const std::vector<char*>& variables) const {
        const std::vector<char*> words = words_of(argv);
        return ::posix_spawn(
            &pid, path.c_str(), &actions_, &attributes_, words.data(), variables.data());
    }

    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

}  // namespace

struct ChildRunner::State : std::enable_shared_from_this<ChildRunner::State> {
    struct Child {
        explicit Child(boost::asio::io_context& io) : process(io), timer(io) {}

        JobId job = 0;
        pid_t pid = 0;
        std::string label;
        boost::asio::posix::stream_descriptor process;  // readable once it has ended
        boost::asio::steady_timer timer;
        std::shared_ptr<OutputReader> out;
        std::shared_ptr<OutputReader> err;
        Clock::time_point began;
        bool ended = false;
        ChildResult result;
        Callback done;
    };

    using ChildPtr = std::shared_ptr<Child>;

    State(boost::asio::io_context& context, base::LogSink& sink) : io(context), log(sink) {}

    void run(JobId job, const ChildCommand& command, Callback done);
    int start(Child& child, const ChildCommand& command);
    std::shared_ptr<OutputReader> reader_of(Pipe& pipe, const std::string& label, std::size_t keep);
    void wait_for_end(const ChildPtr& child);
    void limit(const ChildPtr& child, std::chrono::milliseconds after);
    void terminate(const ChildPtr& child);
    void on_end(const ChildPtr& child);
    void on_stuck(const ChildPtr& child);
    void finish(const ChildPtr& child);
    void close();

    boost::asio::io_context& io;
    base::LogSink& log;
    std::map<JobId, ChildPtr> children;
    std::set<ChildPtr> stuck;  // reported already, not ended yet
    std::set<std::shared_ptr<OutputReader>> readers;
    bool closed = false;
};

void ChildRunner::State::run(JobId job, const ChildCommand& command, Callback done) {
    const ChildPtr child = std::make_shared<Child>(io);
    child->job = job;
    child->label = command.label;
    child->done = std::move(done);
    child->began = Clock::now();
    REQUIRE(!command.argv.empty() && children.emplace(job, child).second);
    if (const int error = start(*child, command); error != 0) {
        child->result.missing = true;
        child->result.text =
            command.argv.front() + " could not be started: " + std::strerror(error);
        boost::asio::post(io, [self = shared_from_this(), child] { self->finish(child); });
        return;
    }
    child->out->start();
    child->err->start();
    wait_for_end(child);
    if (command.time_limit.count() > 0) {
        limit(child, command.time_limit);
    }
}

int ChildRunner::State::start(Child& child, const ChildCommand& command) {
    Pipe out;
    Pipe err;
    if (!out.open() || !err.open()) {
        return errno;
    }
    const SpawnOptions options(out.write, err.write);
    if (const int error = options.spawn(child.pid, command); error != 0) {
        return error;
    }
    const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0));
    if (descriptor < 0) {
        const int error = errno;  // no descriptor left: a child that nobody can wait for must go
        ::kill(-child.pid, SIGKILL);
        ::waitpid(child.pid, nullptr, 0);
        return error;
    }
    child.process.assign(descriptor);
    child.out = reader_of(out, command.label, kOutputLimit);
    child.err = reader_of(err, command.label, kComplaintLimit);
    return 0;
}

std::shared_ptr<OutputReader> ChildRunner::State::reader_of(Pipe& pipe,
                                                            const std::string& label,
                                                            std::size_t keep) {
    std::erase_if(readers, [](const auto& reader) { return reader->ended(); });
    auto reader = std::make_shared<OutputReader>(io, pipe.take_read(), label, keep, log);
    readers.insert(reader);
    return reader;
}

void ChildRunner::State::wait_for_end(const ChildPtr& child) {
    child->process.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [self = shared_from_this(), child](const boost::system::error_code& error) {
            if (!error && !self->closed) {
                self->on_end(child);
            }
        });
}

void ChildRunner::State::limit(const ChildPtr& child, std::chrono::milliseconds after) {
    child->timer.expires_after(after);
    child->timer.async_wait(
        [self = shared_from_this(), child](const boost::system::error_code& error) {
            if (!error && !self->closed && !child->ended) {
                child->result.timed_out = true;
                self->terminate(child);
            }
        });
}

void ChildRunner::State::terminate(const ChildPtr& child) {
    ::kill(-child->pid, SIGTERM);
    ::kill(-child->pid, SIGCONT);  // a stopped process would not hear it
    child->timer.expires_after(kTermToKill);
    child->timer.async_wait(
        [self = shared_from_this(), child](const boost::system::error_code& error) {
            if (error || self->closed || child->ended) {
                return;
            }
            ::kill(-child->pid, SIGKILL);
            child->timer.expires_after(kTermToKill);
            child->timer.async_wait([self, child](const boost::system::error_code& again) {
                if (!again && !self->closed && !child->ended) {
                    self->on_stuck(child);
                }
            });
        });
}

// The zombie keeps the number of the group from being given to others until it is waited for.
void ChildRunner::State::on_end(const ChildPtr& child) {
    child->ended = true;
    child->timer.cancel();
    if (child->result.timed_out || child->result.killed) {
        ::kill(-child->pid, SIGKILL);
    }
    siginfo_t info{};
    const auto id = static_cast<id_t>(child->process.native_handle());
    if (::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG) == 0 && info.si_pid == child->pid) {
        if (info.si_code == CLD_EXITED) {
            child->result.exit = info.si_status;
            child->result.text = "exit " + std::to_string(info.si_status);
        } else {
            child->result.signal = info.si_status;
            child->result.text = std::string("ended by signal ") + ::strsignal(info.si_status);
        }
    } else {
        child->result.text = "ended, but nobody knows how";
    }
    if (stuck.erase(child) > 0) {
        return;
    }
    child->out->drain();
    child->err->drain();
    finish(child);
}

void ChildRunner::State::on_stuck(const ChildPtr& child) {
    child->result.text = "not even SIGKILL ends it: it is stuck in the kernel";
    stuck.insert(child);
    finish(child);
}

void ChildRunner::State::finish(const ChildPtr& child) {
    if (closed) {
        return;
    }
    ChildResult& result = child->result;
    result.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - child->began);
    if (child->out) {
        result.output = child->out->kept();
    }
    if (result.timed_out) {
        result.text = "time limit passed after " + std::to_string(result.took.count()) + " ms, " +
                      result.text;
    } else if (result.killed) {
        result.text = "stopped by us, " + result.text;
    }
    if (const std::string complaint = child->err ? last_printable_line(child->err->kept()) : "";
        result.exit != 0 && !complaint.empty()) {
        result.text += ": " + complaint;
    }
    children.erase(child->job);
    const Callback done = std::move(child->done);
    done(result);
}

void ChildRunner::State::close() {
    closed = true;
    for (const auto& [job, child] : children) {
        if (child->pid > 0) {
            ::kill(-child->pid, SIGKILL);
        }
        child->timer.cancel();
        boost::system::error_code ignored;
        child->process.close(ignored);
    }
    for (const auto& reader : readers) {
        reader->stop();
    }
    children.clear();
    readers.clear();
    stuck.clear();
}

ChildRunner::ChildRunner(boost::asio::io_context& io, base::LogSink& log)
    : state_(std::make_shared<State>(io, log)) {
}

ChildRunner::~ChildRunner() {
    state_->close();
}

void ChildRunner::run(JobId job, const ChildCommand& command, Callback done) {
    state_->run(job, command, std::move(done));
}

void ChildRunner::kill(JobId job) {
    const auto found = state_->children.find(job);
    if (found != state_->children.end() && found->second->pid > 0 &&
        !found->second->result.timed_out && !found->second->result.killed) {
        found->second->result.killed = true;
        state_->terminate(found->second);
    }
}

std::size_t ChildRunner::running() const {
    return state_->children.size();
}

}  // namespace hb
