// drbdd, the daemon: options, assembly and signals. All else is in the rooms.
#include "base/guarded.h"
#include "config/drbdd_conf.h"
#include "drbdd/daemon.h"
#include "drbdd/runtime/log_sinks.h"
#include "drbdd/runtime/process.h"

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utility>

namespace {

constexpr auto kStopTime = std::chrono::seconds(10);

struct Options {
    std::string run_dir = "/run/drbdd";
    std::string dev_dir = "/dev";
    std::string node;
    std::string daemon_conf;
    std::string log;  // empty: syslog, or standard error in the foreground
    std::string log_level = "info";
    bool foreground = false;
    bool lock_memory = false;
};

std::string host_name() {
    utsname name{};
    ::uname(&name);
    return name.nodename;
}

void add_options(CLI::App& app, Options& options) {
    app.add_option("--run-dir", options.run_dir, "directory of the sockets and of the lock")
        ->envname("DRBDD_RUN_DIR")
        ->capture_default_str();
    app.add_option("--dev-dir", options.dev_dir, "directory of the device nodes")
        ->envname("DRBDD_DEV_DIR")
        ->capture_default_str();
    app.add_option("--node", options.node, "name of this node, instead of 'uname -n'")
        ->envname("__DRBD_NODE__");
    app.add_option("--daemon-conf",
                   options.daemon_conf,
                   "what only drbdd has (default: /etc/drbdd.conf, if there is one)");
    app.add_flag("--foreground", options.foreground, "stay in the foreground");
    app.add_option("--log", options.log, "where the log goes (default: syslog; foreground: stderr)")
        ->check(CLI::IsMember({"stderr", "syslog"}));
    app.add_option("--log-level", options.log_level, "the least important lines to log")
        ->check(CLI::IsMember({"debug", "info", "notice", "warning", "error", "alert"}))
        ->capture_default_str();
    app.add_flag(
        "--lock-memory", options.lock_memory, "keep the whole daemon in memory (mlockall)");
}

int fail(const std::string& text) {
    std::fprintf(stderr, "drbdd: %s\n", text.c_str());
    return 1;
}

base::Result<config::DrbddConf> daemon_conf(const Options& options) {
    config::SystemFiles files;
    const bool named = !options.daemon_conf.empty();
    const std::string path = named ? options.daemon_conf : config::kDefaultDrbddConf;
    auto conf = config::load_drbdd_conf(path, named, files);
    if (!conf) {
        return conf.error();
    }
    return conf;
}

// The main thread has nothing to do but to wait for the end.
class Ending {
public:
    explicit Ending(base::LogSink& log)
        : log_(log), signals_(context_, SIGTERM, SIGINT), limit_(context_) {
        signals_.async_wait([this](const boost::system::error_code& error, int) {
            if (!error) {
                end();
            }
        });
    }

    // From any thread.
    void ask() {
        boost::asio::post(context_, [this] { end(); });
    }

    // Returns when all that could be ended has.
    void run(drbdd::Daemon& daemon) {
        daemon_ = &daemon;
        context_.run();
    }

private:
    void end() {
        if (std::exchange(ending_, true)) {
            return;
        }
        limit_.expires_after(kStopTime);
        limit_.async_wait([this](const boost::system::error_code& error) {
            if (!error) {
                log_.write(base::LogLevel::Error, "drbdd: gives up waiting for its resources");
                ::_exit(1);
            }
        });
        daemon_->stop([this](const std::string& left) {
            boost::asio::post(context_, [this, left] { on_stopped(left); });
        });
    }

    // What is in use is left as a crash would leave it: the device waits for the next daemon.
    void on_stopped(const std::string& left) {
        if (!left.empty()) {
            log_.write(base::LogLevel::Warning,
                       "drbdd: ends while in use, devices wait for the next start: " + left);
            ::_exit(0);
        }
        limit_.cancel();
        signals_.cancel();
        context_.stop();
    }

    base::LogSink& log_;
    boost::asio::io_context context_{1};
    boost::asio::signal_set signals_;
    boost::asio::steady_timer limit_;
    drbdd::Daemon* daemon_ = nullptr;
    bool ending_ = false;
};

// Signals that only say what a system call says as well.
void ignore_signals() {
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGHUP}) {
        ::signal(signal, SIG_IGN);
    }
}

drbdd::DaemonOptions daemon_options(const Options& options,
                                    const config::DrbddConf& conf,
                                    drbdd::FrontendOptions frontends) {
    drbdd::DaemonOptions result;
    result.admin.run_dir = options.run_dir;
    result.admin.version = {DRBDD_VERSION, options.node, ::getpid()};
    result.places = {options.run_dir, options.dev_dir};
    result.frontends = std::move(frontends);
    result.any_peer_address = conf.peer_address == config::PeerAddress::Any;
    return result;
}

// `ready` hears why it could not be started, or that it was.
int serve(const Options& options,
          const config::DrbddConf& conf,
          const std::function<void(const std::string&)>& ready) {
    const auto claim = runtime::claim_run_directory(options.run_dir);
    if (!claim) {
        ready(claim.error().text);
        return 1;
    }
    auto frontends = drbdd::frontend_options(conf);
    if (!frontends) {
        ready(frontends.error().text);
        return 1;
    }
    const bool to_stderr = options.log.empty() ? options.foreground : options.log == "stderr";
    const auto log = runtime::make_log_sink(
        to_stderr ? runtime::LogTarget::StandardError : runtime::LogTarget::Syslog,
        *runtime::log_level(options.log_level));
    ignore_signals();
    runtime::raise_limits(*log);
    runtime::protect_from_memory_pressure(options.lock_memory, *log);

    Ending ending(*log);
    drbdd::Daemon daemon(
        daemon_options(options, conf, std::move(*frontends)), *log, [&ending] { ending.ask(); });
    if (auto started = daemon.start(); !started) {
        ready(started.error().text);
        return 1;
    }
    ready("");
    log->write(base::LogLevel::Info, "drbdd " DRBDD_VERSION " started on " + options.run_dir);
    ending.run(daemon);
    log->write(base::LogLevel::Info, "drbdd ends");
    return 0;
}

// Everything after the fork.
int run(const Options& options,
        const config::DrbddConf& conf,
        const std::function<void(const std::string&)>& ready) {
    const auto served = base::guarded(
        "cannot start", [&]() -> base::Result<int> { return serve(options, conf, ready); });
    if (!served) {
        ready(served.error().text);
        return 1;
    }
    return *served;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("drbdd: replicates block devices between two nodes, as DRBD 8.4 does");
    add_options(app, options);
    app.set_version_flag("--version", "drbdd " DRBDD_VERSION);
    CLI11_PARSE(app, argc, argv);
    if (options.node.empty()) {
        options.node = host_name();
    }
    // Whoever started us may have had a device of ours open: we must not be its last user.
    ::close_range(STDERR_FILENO + 1, ~0u, 0);

    const auto chosen = daemon_conf(options);
    if (!chosen) {
        return fail(chosen.error().text);
    }
    ::umask(022);
    // The working directory may lie on a device that we carry.
    options.run_dir = std::filesystem::absolute(options.run_dir).string();
    options.dev_dir = std::filesystem::absolute(options.dev_dir).string();
    if (::chdir("/") != 0) {
        return fail("cannot change to /");
    }
    if (options.foreground) {
        return run(options, *chosen, [](const std::string& text) {
            if (!text.empty()) {
                fail(text);
            }
        });
    }
    auto parent = runtime::Daemonizer::detach();
    if (!parent) {
        return fail(parent.error().text);
    }
    return run(options, *chosen, [&parent](const std::string& text) {
        parent->report(text.empty() ? "" : "drbdd: " + text);
    });
}
