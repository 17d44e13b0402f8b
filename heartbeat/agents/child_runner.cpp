#include "heartbeat/agents/child_runner.h"

#include "base/require.h"
#include "heartbeat/agents/kept_output.h"
#include "heartbeat/agents/output_reader.h"
#include "heartbeat/agents/printable.h"
#include "heartbeat/agents/spawn.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <set>
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

}  // namespace

struct ChildRunner::State : std::enable_shared_from_this<ChildRunner::State> {
    struct Child {
        explicit Child(boost::asio::io_context& io) : process(io), timer(io) {}

        JobId job = 0;
        pid_t pid = 0;
        std::string label;
        boost::asio::posix::stream_descriptor process;  // readable once it has ended
        boost::asio::steady_timer timer;
        std::shared_ptr<OutputReader> out;  // both null of one that outlives us
        std::shared_ptr<OutputReader> err;
        KeptOutput kept_out;
        KeptOutput kept_err;
        bool outlives_us = false;
        bool adopted = false;
        std::function<void()> stuck;
        Clock::time_point began;
        bool ended = false;
        ChildResult result;
        Callback done;
    };

    using ChildPtr = std::shared_ptr<Child>;

    State(boost::asio::io_context& context,
          base::LogSink& sink,
          std::chrono::milliseconds term_to_kill)
        : io(context), log(sink), patience(term_to_kill) {}

    void run(JobId job, const ChildCommand& command, Callback done);
    bool adopt(JobId job, const EarlierChild& earlier, Callback done);
    int start(Child& child, const ChildCommand& command);
    int start_with_pipes(Child& child, const ChildCommand& command);
    int start_with_memory(Child& child, const ChildCommand& command);
    static int spawn(Child& child, const SpawnOptions& options, const ChildCommand& command);
    static int watch(Child& child);
    static void abolish(Child& child);
    static std::string output_of(const Child& child);
    static std::string complaints_of(const Child& child);
    std::shared_ptr<OutputReader> reader_of(Pipe& pipe, const std::string& label, std::size_t keep);
    void wait_for_end(const ChildPtr& child);
    void on_wake(const ChildPtr& child);
    bool has_ended(Child& child);
    void limit(const ChildPtr& child, std::chrono::milliseconds after);
    void terminate(const ChildPtr& child);
    void on_end(const ChildPtr& child);
    void on_stuck(const ChildPtr& child);
    void finish(const ChildPtr& child);
    void close();

    boost::asio::io_context& io;
    base::LogSink& log;
    const std::chrono::milliseconds patience;
    std::map<JobId, ChildPtr> children;
    std::set<ChildPtr> stuck;  // reported already, not ended yet
    std::set<std::shared_ptr<OutputReader>> readers;
    bool closed = false;
};

void ChildRunner::State::run(JobId job, const ChildCommand& command, Callback done) {
    const ChildPtr child = std::make_shared<Child>(io);
    child->job = job;
    child->label = command.label;
    child->outlives_us = command.outlives_us;
    child->stuck = command.stuck;
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
    if (child->out) {
        child->out->start();
        child->err->start();
    }
    wait_for_end(child);
    if (command.time_limit.count() > 0) {
        limit(child, command.time_limit);
    }
}

bool ChildRunner::State::adopt(JobId job, const EarlierChild& earlier, Callback done) {
    const ChildPtr child = std::make_shared<Child>(io);
    const int pidfd = open_process(earlier.process);
    if (pidfd < 0) {
        return false;
    }
    boost::system::error_code refused;
    child->process.assign(pidfd, refused);
    if (refused) {
        ::close(pidfd);
        return false;
    }
    child->job = job;
    child->pid = earlier.process.pid;
    child->label = earlier.label;
    child->adopted = true;
    child->stuck = earlier.stuck;
    child->done = std::move(done);
    child->began = Clock::now();
    REQUIRE(children.emplace(job, child).second);
    wait_for_end(child);
    if (earlier.time_limit.count() > 0) {
        limit(child, earlier.time_limit);
    }
    return true;
}

int ChildRunner::State::start(Child& child, const ChildCommand& command) {
    return command.outlives_us ? start_with_memory(child, command)
                               : start_with_pipes(child, command);
}

int ChildRunner::State::start_with_memory(Child& child, const ChildCommand& command) {
    if (!child.kept_out.open() || !child.kept_err.open()) {
        return errno;
    }
    const SpawnOptions options(child.kept_out.descriptor(), child.kept_err.descriptor());
    const int error = spawn(child, options, command);
    return error != 0 ? error : watch(child);
}

int ChildRunner::State::spawn(Child& child,
                              const SpawnOptions& options,
                              const ChildCommand& command) {
    return command.born
               ? options.spawn_known(child.pid, command.argv, command.variables, command.born)
               : options.spawn(child.pid, command.argv, command.variables);
}

int ChildRunner::State::start_with_pipes(Child& child, const ChildCommand& command) {
    Pipe out;
    Pipe err;
    if (!out.open() || !err.open()) {
        return errno;
    }
    const SpawnOptions options(out.write, err.write);
    if (const int error = spawn(child, options, command); error != 0) {
        return error;
    }
    if (const int error = watch(child); error != 0) {
        return error;
    }
    child.out = reader_of(out, command.label, kOutputLimit);
    child.err = reader_of(err, command.label, kComplaintLimit);
    return 0;
}

void ChildRunner::State::abolish(Child& child) {
    ::kill(-child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    child.pid = 0;
}

int ChildRunner::State::watch(Child& child) {
    const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0));
    if (descriptor < 0) {
        const int error = errno;  // no descriptor left: a child that nobody can wait for must go
        abolish(child);
        return error;
    }
    boost::system::error_code refused;
    child.process.assign(descriptor, refused);
    if (refused) {
        ::close(descriptor);
        abolish(child);
        return refused.value();
    }
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
    child->process.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [self = shared_from_this(), child](const boost::system::error_code&) {
                                  if (!self->closed) {
                                      self->on_wake(child);
                                  }
                              });
}

// The loop also returns for what an earlier descriptor of this number, or in this place of its
// tables, had to tell: only what the kernel says of the process counts.
void ChildRunner::State::on_wake(const ChildPtr& child) {
    if (child->ended) {
        return;
    }
    if (has_ended(*child)) {
        on_end(child);
    } else {
        wait_for_end(child);
    }
}

// Fills in how. A child that somebody else has waited for, or that the kernel forgot since SIGCHLD
// is ignored, is gone, too (ECHILD).
bool ChildRunner::State::has_ended(Child& child) {
    if (child.adopted) {
        child.result.text = "ended; it was not ours, so nobody knows how";
        return hb::has_ended(child.process.native_handle());
    }
    siginfo_t info{};
    const auto id = static_cast<id_t>(child.process.native_handle());
    if (::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        if (errno != ECHILD) {
            return false;
        }
        child.result.text = "ended, but nobody knows how";
        return true;
    }
    if (info.si_pid != child.pid) {
        return false;
    }
    if (info.si_code == CLD_EXITED) {
        child.result.exit = info.si_status;
        child.result.text = "exit " + std::to_string(info.si_status);
    } else {
        child.result.signal = info.si_status;
        child.result.text = std::string("ended by signal ") + ::strsignal(info.si_status);
    }
    return true;
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
    const int pidfd = child->process.native_handle();
    signal_group(pidfd, child->pid, SIGTERM);
    signal_group(pidfd, child->pid, SIGCONT);  // a stopped process would not hear it
    child->timer.expires_after(patience);
    child->timer.async_wait(
        [self = shared_from_this(), child](const boost::system::error_code& error) {
            if (error || self->closed || child->ended) {
                return;
            }
            signal_group(child->process.native_handle(), child->pid, SIGKILL);
            child->timer.expires_after(self->patience);
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
    const auto id = static_cast<id_t>(child->process.native_handle());
    ::waitid(P_PIDFD, id, nullptr, WEXITED | WNOHANG);
    boost::system::error_code ignored;
    child->process.close(ignored);
    if (stuck.erase(child) > 0) {
        return;
    }
    if (child->adopted) {
        finish(child);
        return;
    }
    if (child->out) {
        child->out->drain();
        child->err->drain();
    } else {
        log_lines(child->label, child->kept_out.text(kOutputLimit), log);
        log_lines(child->label, child->kept_err.text(kComplaintLimit), log);
    }
    finish(child);
}

void ChildRunner::State::on_stuck(const ChildPtr& child) {
    if (child->stuck) {
        child->stuck();
        return;
    }
    child->result.text = "not even SIGKILL ends it: it is stuck in the kernel";
    stuck.insert(child);
    finish(child);
}

std::string ChildRunner::State::output_of(const Child& child) {
    return child.out || child.adopted ? (child.out ? child.out->kept() : "")
                                      : child.kept_out.text(kOutputLimit);
}

std::string ChildRunner::State::complaints_of(const Child& child) {
    return child.err || child.adopted ? (child.err ? child.err->kept() : "")
                                      : child.kept_err.text(kComplaintLimit);
}

void ChildRunner::State::finish(const ChildPtr& child) {
    if (closed) {
        return;
    }
    ChildResult& result = child->result;
    result.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - child->began);
    result.output = output_of(*child);
    if (result.timed_out) {
        result.text = "time limit passed after " + std::to_string(result.took.count()) + " ms, " +
                      result.text;
    } else if (result.killed) {
        result.text = "stopped by us, " + result.text;
    }
    if (const std::string complaint = last_printable_line(complaints_of(*child));
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
        if (child->pid > 0 && !child->outlives_us) {
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

ChildRunner::ChildRunner(boost::asio::io_context& io,
                         base::LogSink& log,
                         std::chrono::milliseconds patience)
    : state_(std::make_shared<State>(io, log, patience)) {
}

ChildRunner::~ChildRunner() {
    state_->close();
}

void ChildRunner::run(JobId job, const ChildCommand& command, Callback done) {
    state_->run(job, command, std::move(done));
}

bool ChildRunner::adopt(JobId job, const EarlierChild& child, Callback done) {
    return state_->adopt(job, child, std::move(done));
}

void ChildRunner::kill(JobId job) {
    const auto found = state_->children.find(job);
    if (found != state_->children.end() && found->second->pid > 0 &&
        !found->second->result.timed_out && !found->second->result.killed) {
        found->second->result.killed = true;
        state_->terminate(found->second);
    }
}

void ChildRunner::wake(JobId job) {
    const auto found = state_->children.find(job);
    if (found != state_->children.end() && found->second->pid > 0) {
        boost::asio::post(state_->io, [state = state_, child = found->second] {
            if (!state->closed) {
                state->on_wake(child);
            }
        });
    }
}

std::size_t ChildRunner::running() const {
    return state_->children.size();
}

}  // namespace hb
