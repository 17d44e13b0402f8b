#include "drbdd/runtime/handler_runner.h"

#include "base/guarded.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runtime {

namespace asio = boost::asio;

namespace {

// The kernel's for its helpers, and where the shipped scripts lie.
constexpr const char* kPath = "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/lib/drbd";

// Its own process group, so that the time limit ends what the shell has started as well; no
// signal blocked or ignored that we have set so; nothing on standard input.
base::Result<pid_t> spawn(const HandlerCall& call) {
    std::vector<std::string> variables = {kPath, "HOME=/", "TERM=linux"};
    for (const auto& [name, value] : call.environment) {
        variables.push_back(name + "=" + value);
    }
    std::vector<char*> environment;
    for (std::string& variable : variables) {
        environment.push_back(variable.data());
    }
    environment.push_back(nullptr);
    std::string shell = "/bin/sh";
    std::string option = "-c";
    std::string command = call.command;
    char* arguments[] = {shell.data(), option.data(), command.data(), nullptr};

    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&files);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    // All of ours are close-on-exec; this is for those of libraries.
    ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    pid_t pid = -1;
    const int error =
        ::posix_spawn(&pid, shell.c_str(), &files, &attributes, arguments, environment.data());
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        return base::Error{base::ErrorCode::Io, std::strerror(error)};
    }
    return pid;
}

// `process` becomes readable when the handler has ended. One that cannot be watched is ended:
// nobody would hear what it has done.
base::Result<void> watch(pid_t pid, asio::posix::stream_descriptor& process) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    boost::system::error_code error(fd < 0 ? errno : 0, boost::system::system_category());
    if (!error) {
        process.assign(fd, error);
        if (error) {
            ::close(fd);
        }
    }
    if (!error) {
        return {};
    }
    ::kill(-pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return base::Error{base::ErrorCode::Io, "it cannot be watched: " + error.message()};
}

}  // namespace

class HandlerRunner::Loop {
public:
    explicit Loop(base::LogSink& log)
        : log_(log), work_(context_.get_executor()), thread_([this] { run(); }) {}

    ~Loop() {
        context_.stop();
        thread_.join();
    }

    void post(HandlerCall call) {
        asio::post(context_, [this, call = std::move(call)]() mutable { take(std::move(call)); });
    }

private:
    struct Running {
        explicit Running(asio::io_context& context) : process(context), limit(context) {}

        HandlerCall call;
        pid_t pid = -1;
        asio::posix::stream_descriptor process;  // a pidfd: readable when the process has ended
        asio::steady_timer limit;
    };

    void run() {
        base::keep_running([this] { context_.run(); },
                           [this](const char* what) {
                               log_.write(base::LogLevel::Error, std::string("handlers: ") + what);
                           });
    }

    void take(HandlerCall call);
    void start(HandlerCall call);
    void wait_for_end(const std::shared_ptr<Running>& running);
    void end(const HandlerCall& call, int status);

    base::LogSink& log_;
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::map<std::string, std::deque<HandlerCall>> waiting_;  // an entry: one of the queue runs
    std::thread thread_;
};

void HandlerRunner::Loop::take(HandlerCall call) {
    if (call.queue.empty()) {
        start(std::move(call));
        return;
    }
    const auto [queue, is_first] = waiting_.try_emplace(call.queue);
    if (is_first) {
        start(std::move(call));
    } else {
        queue->second.push_back(std::move(call));
    }
}

void HandlerRunner::Loop::end(const HandlerCall& call, int status) {
    call.ended(status);
    const auto queue = waiting_.find(call.queue);
    if (queue == waiting_.end()) {
        return;
    }
    if (queue->second.empty()) {
        waiting_.erase(queue);
        return;
    }
    HandlerCall next = std::move(queue->second.front());
    queue->second.pop_front();
    start(std::move(next));
}

void HandlerRunner::Loop::start(HandlerCall call) {
    const auto running = std::make_shared<Running>(context_);
    running->call = std::move(call);
    const base::Result<pid_t> pid = spawn(running->call);
    const auto watched = pid ? watch(*pid, running->process) : base::Result<void>(pid.error());
    if (!watched) {
        log_.write(base::LogLevel::Error,
                   base::format("handler %s could not be run: %s",
                                running->call.name.c_str(),
                                watched.error().text.c_str()));
        end(running->call, -1);
        return;
    }
    running->pid = *pid;
    wait_for_end(running);
    running->limit.expires_after(running->call.time_limit);
    running->limit.async_wait([this, running](const boost::system::error_code& error) {
        if (!error) {
            log_.write(
                base::LogLevel::Error,
                base::format("handler %s took too long and is killed", running->call.name.c_str()));
            ::kill(-running->pid, SIGKILL);
        }
    });
}

// The loop also returns for what an earlier descriptor in this place of its tables had to tell:
// only what the kernel says of the process ends it, and waiting for that here would stop all
// others.
void HandlerRunner::Loop::wait_for_end(const std::shared_ptr<Running>& running) {
    running->process.async_wait(asio::posix::stream_descriptor::wait_read,
                                [this, running](const boost::system::error_code& error) {
                                    if (error) {
                                        return;
                                    }
                                    int status = -1;
                                    if (::waitpid(running->pid, &status, WNOHANG) == 0) {
                                        wait_for_end(running);
                                        return;
                                    }
                                    running->limit.cancel();
                                    end(running->call, status);
                                });
}

HandlerRunner::HandlerRunner(base::LogSink& log) : loop_(std::make_unique<Loop>(log)) {
}

HandlerRunner::~HandlerRunner() = default;

void HandlerRunner::run(HandlerCall call) {
    loop_->post(std::move(call));
}

}  // namespace runtime
