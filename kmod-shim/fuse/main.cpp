// drbdd-fuse: shows one NBD export as the file MOUNT/volume, for a loop device to stand on.
//
// A process of its own, so that the daemon that serves the export can be killed, restarted or
// upgraded under load: the requests wait here. Without --foreground the command returns once the
// volume can be opened (exit 0), or with the reason on standard error (exit 1).
//
// SIGTERM ends it as soon as nobody has the volume open; unmounting ends it too. SIGHUP: the
// export has a new size. The pid file is locked (fcntl) while it lives: that lock, not the
// number in the file, tells that it does.
#include "base/log.h"
#include "base/result.h"
#include "kmod-shim/fuse/forward_progress.h"
#include "kmod-shim/fuse/nbd_link.h"
#include "kmod-shim/fuse/volume_fs.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using fuse_volume::NbdLink;
using fuse_volume::VolumeFs;

// Payload in flight; beyond it the kernel's queue holds the requests. The heap has room to spare
// for the pieces that fragmentation makes unusable.
constexpr std::size_t kPayloadBytesMax = 16u << 20;
constexpr std::size_t kHeapBytes = kPayloadBytesMax + (6u << 20);

struct Options {
    fuse_volume::LinkSettings link;
    std::string mount;
    std::string pid_file;
    int start_seconds = 5;
    int refused_seconds = 60;
    bool foreground = false;
};

class Syslog : public base::LogSink {
public:
    Syslog(const std::string& name, bool also_stderr) : name_(name) {
        ::openlog(name_.c_str(), LOG_PID | (also_stderr ? LOG_PERROR : 0), LOG_DAEMON);
    }

    void write(base::LogLevel level, std::string_view line) override {
        ::syslog(priority(level), "%.*s", static_cast<int>(line.size()), line.data());
    }

private:
    static int priority(base::LogLevel level) {
        switch (level) {
            case base::LogLevel::Debug:
                return LOG_DEBUG;
            case base::LogLevel::Info:
                return LOG_INFO;
            case base::LogLevel::Notice:
                return LOG_NOTICE;
            case base::LogLevel::Warning:
                return LOG_WARNING;
            case base::LogLevel::Error:
                return LOG_ERR;
            case base::LogLevel::Alert:
                return LOG_ALERT;
        }
        return LOG_ERR;
    }

    std::string name_;  // openlog() keeps the pointer
};

int milliseconds_until(std::optional<NbdLink::Instant> when) {
    if (!when) {
        return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*when - NbdLink::Clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 60'000));
}

// The export first, because the file needs its size; then the mount; then the loop of events.
class Service {
public:
    Service(const Options& options, base::LogSink& log)
        : options_(options),
          log_(log),
          link_(options.link,
                {&VolumeFs::answer,
                 [this](const fuse_volume::ExportInfo& info) {
                     if (fs_) {
                         fs_->resize(info.size_bytes);
                     }
                 }},
                log) {}

    Result<void> start() {
        if (auto signals = open_signals(); !signals) {
            return signals;
        }
        if (auto connected = connect(); !connected) {
            return connected;
        }
        auto fs = VolumeFs::mount(
            options_.mount,
            options_.link.export_name,
            link_.export_info()->size_bytes,
            [this](fuse_volume::Request request) { link_.submit(std::move(request)); });
        if (!fs) {
            return fs.error();
        }
        fs_ = std::move(*fs);
        return {};
    }

    void run() {
        while (!fs_->unmounted() && !(told_to_stop_ && !fs_->in_use())) {
            turn();
        }
    }

private:
    enum Place { kSignals, kFuse, kNbd, kPlaces };

    Result<void> open_signals() {
        sigset_t set;
        sigemptyset(&set);
        for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
            sigaddset(&set, number);
        }
        if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0 || ::signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
            return Error{ErrorCode::Io, "cannot set up signals"};
        }
        signals_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        return signals_ >= 0 ? Result<void>{} : Error{ErrorCode::Io, "cannot create a signalfd"};
    }

    // The server may still be starting: absence is waited for, a refusal is final.
    Result<void> connect() {
        const auto ends = NbdLink::Clock::now() + std::chrono::seconds(options_.start_seconds);
        link_.connect(NbdLink::Clock::now());
        while (!link_.ready()) {
            if (link_.refused() || told_to_stop_ || NbdLink::Clock::now() >= ends) {
                return Error{ErrorCode::State,
                             "export " + options_.link.export_name + " of " + options_.link.socket +
                                 " cannot be used: " + link_.problem()};
            }
            std::array<pollfd, 2> entries{pollfd{signals_, POLLIN, 0}, link_.poll_entry()};
            const auto wake = std::min(ends, link_.deadline().value_or(ends));
            ::poll(entries.data(), entries.size(), milliseconds_until(wake));
            read_signals(entries[0].revents);
            link_.on_poll(entries[1].revents, NbdLink::Clock::now());
            link_.on_time(NbdLink::Clock::now());
        }
        return {};
    }

    void turn() {
        const bool room =
            link_.payload_bytes() + fuse_volume::kMessagePayloadMax <= kPayloadBytesMax;
        std::array<pollfd, kPlaces> entries{};
        entries[kSignals] = {signals_, POLLIN, 0};
        entries[kFuse] = {fs_->fd(), static_cast<short>(room ? POLLIN : 0), 0};
        entries[kNbd] = link_.poll_entry();
        if (::poll(entries.data(), entries.size(), milliseconds_until(link_.deadline())) < 0) {
            return;  // EINTR: all of our signals are blocked, but a debugger's are not
        }
        read_signals(entries[kSignals].revents);
        if (entries[kFuse].revents != 0) {
            fs_->receive();
        }
        link_.on_poll(entries[kNbd].revents, NbdLink::Clock::now());
        link_.on_time(NbdLink::Clock::now());
    }

    void read_signals(short revents) {
        signalfd_siginfo info{};
        if (revents == 0 || ::read(signals_, &info, sizeof(info)) != sizeof(info)) {
            return;
        }
        if (info.ssi_signo == SIGHUP) {
            link_.reconnect_for_resize(NbdLink::Clock::now());
            return;
        }
        told_to_stop_ = true;
        if (fs_ && fs_->in_use()) {
            log_.write(base::LogLevel::Notice,
                       "event=stop-deferred reason=\"the volume is in use; detach it first\"");
        }
    }

    const Options& options_;
    base::LogSink& log_;
    int signals_ = -1;
    bool told_to_stop_ = false;
    NbdLink link_;
    std::unique_ptr<VolumeFs> fs_;
};

// Held until the process ends.
Result<void> lock_pid_file(const std::string& path) {
    if (path.empty()) {
        return {};
    }
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return Error{ErrorCode::Io, "cannot open " + path + ": " + std::strerror(errno)};
    }

    struct flock whole {};

    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd, F_SETLK, &whole) != 0) {
        ::close(fd);
        return Error{ErrorCode::Busy, "another drbdd-fuse holds " + path};
    }
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) != 0 ||
        ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return Error{ErrorCode::NoSpace, "cannot write " + path + ": " + std::strerror(errno)};
    }
    return {};
}

// Writes the outcome of the start to `report`: nothing if all is well. False if nobody is there to
// read it any more; then the volume has no user either.
bool report_start(int report, const std::string& problem) {
    const std::string text = problem.empty() ? std::string(1, '\0') : problem;
    const bool heard = ::write(report, text.data(), text.size()) > 0;
    ::close(report);
    return heard;
}

void detach_from_terminal() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {0, 1, 2}) {
        ::dup2(null, fd);
    }
    ::close(null);
}

// In the parent: waits for the outcome and becomes the exit code.
int await_start(int report) {
    std::string text;
    std::array<char, 512> piece{};
    ssize_t got = 0;
    while ((got = ::read(report, piece.data(), piece.size())) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    if (text.size() == 1 && text[0] == '\0') {
        return 0;
    }
    std::fprintf(stderr, "drbdd-fuse: %s\n", text.empty() ? "died while starting" : text.c_str());
    return 1;
}

int serve(const Options& options, int report) {
    if (::chdir("/") != 0) {
        std::perror("drbdd-fuse: chdir /");
    }
    Syslog log("drbdd-fuse", options.foreground);
    for (const std::string& refused : fuse_volume::prepare_forward_progress(kHeapBytes)) {
        log.write(base::LogLevel::Warning, "event=not-permitted what=\"" + refused + "\"");
    }
    Service service(options, log);
    auto started = lock_pid_file(options.pid_file);
    if (started) {
        started = service.start();
    }
    if (report >= 0 && !report_start(report, started ? "" : started.error().text)) {
        return 1;
    }
    if (!started) {
        if (options.foreground) {
            std::fprintf(stderr, "drbdd-fuse: %s\n", started.error().text.c_str());
        }
        return 1;
    }
    if (!options.foreground) {
        detach_from_terminal();
    }
    service.run();
    return 0;
}

int start_in_background(const Options& options) {
    std::array<int, 2> report{};
    if (::pipe2(report.data(), O_CLOEXEC) != 0) {
        std::perror("drbdd-fuse: pipe");
        return 1;
    }
    const pid_t child = ::fork();
    if (child < 0) {
        std::perror("drbdd-fuse: fork");
        return 1;
    }
    if (child > 0) {
        ::close(report[1]);
        return await_start(report[0]);
    }
    ::close(report[0]);
    ::setsid();
    return serve(options, report[1]);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"Shows one NBD export as the file MOUNT/volume, to put a loop device on"};
    app.add_option("--socket", options.link.socket, "unix socket of the NBD server")->required();
    app.add_option("--mount", options.mount, "directory to mount on (exists, empty)")->required();
    app.add_option(
        "--export", options.link.export_name, "name of the export (default: the default export)");
    app.add_option("--pid-file", options.pid_file, "file to write the pid to and to keep locked");
    app.add_option(
        "--start-limit", options.start_seconds, "seconds to wait for the server at first (5)");
    app.add_option(
        "--refused-limit",
        options.refused_seconds,
        "seconds that a server may refuse the export before requests fail; 0 = for ever (60)");
    app.add_flag(
        "--foreground", options.foreground, "stay in the foreground, log to standard error too");
    CLI11_PARSE(app, argc, argv);
    options.link.refused_limit = std::chrono::seconds(options.refused_seconds);

    // A descriptor inherited by mistake could keep the daemon's disks busy after its death.
    ::close_range(3, ~0u, 0);
    ::umask(077);
    return options.foreground ? serve(options, -1) : start_in_background(options);
}
