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
#include "kmod-shim/fuse/volume_fs.h"
#include "kmod-shim/link/forward_progress.h"
#include "kmod-shim/link/nbd_link.h"
#include "kmod-shim/link/process.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <string>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using export_link::NbdLink;
using fuse_volume::VolumeFs;

constexpr const char* kProgram = "drbdd-fuse";

// Payload in flight; beyond it the kernel's queue holds the requests. The heap has room to spare
// for the pieces that fragmentation makes unusable.
constexpr std::size_t kPayloadBytesMax = 16u << 20;
constexpr std::size_t kHeapBytes = kPayloadBytesMax + (6u << 20);

struct Options {
    export_link::LinkSettings link;
    std::string mount;
    std::string pid_file;
    int start_seconds = 5;
    int refused_seconds = 60;
    bool foreground = false;
};

// The export first, because the file needs its size; then the mount; then the loop of events.
class Service {
public:
    Service(const Options& options, base::LogSink& log)
        : options_(options),
          log_(log),
          link_(options.link,
                {&VolumeFs::answer,
                 [this](const export_link::ExportInfo& info) {
                     if (fs_) {
                         fs_->resize(info.size_bytes);
                     }
                 }},
                log) {}

    Result<void> start() {
        const auto signals = export_link::open_signals();
        if (!signals) {
            return signals.error();
        }
        signals_ = *signals;
        if (auto connected = connect(); !connected) {
            return connected;
        }
        auto fs = VolumeFs::mount(
            options_.mount,
            options_.link.export_name,
            link_.export_info()->size_bytes,
            [this](export_link::Request request) { link_.submit(std::move(request)); });
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

    Result<void> connect() {
        return export_link::await_export(
            link_, std::chrono::seconds(options_.start_seconds), signals_, [this](short revents) {
                read_signals(revents);
                return told_to_stop_;
            });
    }

    void turn() {
        const bool room =
            link_.payload_bytes() + fuse_volume::kMessagePayloadMax <= kPayloadBytesMax;
        std::array<pollfd, kPlaces> entries{};
        entries[kSignals] = {signals_, POLLIN, 0};
        entries[kFuse] = {fs_->fd(), static_cast<short>(room ? POLLIN : 0), 0};
        entries[kNbd] = link_.poll_entry();
        if (::poll(entries.data(),
                   entries.size(),
                   export_link::milliseconds_until(link_.deadline())) < 0) {
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

int serve(const Options& options, int report) {
    if (::chdir("/") != 0) {
        std::perror("drbdd-fuse: chdir /");
    }
    export_link::Syslog log(kProgram, options.foreground);
    for (const std::string& refused : export_link::prepare_forward_progress(kHeapBytes)) {
        log.write(base::LogLevel::Warning, "event=not-permitted what=\"" + refused + "\"");
    }
    Service service(options, log);
    auto started = export_link::lock_pid_file(options.pid_file, kProgram);
    if (started) {
        started = service.start();
    }
    if (report >= 0 && !export_link::report_start(report, started ? "" : started.error().text)) {
        return 1;
    }
    if (!started) {
        if (options.foreground) {
            std::fprintf(stderr, "drbdd-fuse: %s\n", started.error().text.c_str());
        }
        return 1;
    }
    if (!options.foreground) {
        export_link::detach_from_terminal();
    }
    service.run();
    return 0;
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
    if (options.foreground) {
        return serve(options, -1);
    }
    return export_link::start_in_background(
        kProgram, [&options](int report) { return serve(options, report); });
}
