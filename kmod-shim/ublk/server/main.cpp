// drbdd-ublk: serves one NBD export as a ublk device of the kernel.
//
// A process of its own, so that the daemon that serves the export can be killed, restarted or
// upgraded under load: the requests wait here. If this process is killed, the kernel keeps the
// device and its requests for the next one. Without --foreground the command returns once the
// device can be used (exit 0), or with the reason on standard error (exit 1).
//
//   serve     a new device       recover   one whose server is gone
//   stop      ends the device; its server ends itself then
//   remove    what is left of it goes, as soon as nobody has it open
//
// SIGHUP: the export has a new size. The pid file is locked (fcntl) while it lives: that lock, not
// the number in the file, tells that it does.
#include "kmod-shim/link/forward_progress.h"
#include "kmod-shim/link/process.h"
#include "kmod-shim/ublk/server/service.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

constexpr const char* kProgram = "drbdd-ublk";
constexpr std::size_t kHeapBytes = 2u << 20;  // payload has the device's own buffers

struct Options {
    ublk_server::ServiceSettings service;
    std::string pid_file;
    std::string token;
    std::uint32_t device = shim::ublk::kAnyDevice;
    int start_seconds = 5;
    int refused_seconds = 60;
    bool foreground = false;
};

int complain(const Error& error) {
    std::fprintf(stderr, "%s: %s\n", kProgram, error.text.c_str());
    return 1;
}

int serve(const Options& options, int report) {
    if (::chdir("/") != 0) {
        std::perror("drbdd-ublk: chdir /");
    }
    export_link::Syslog log(kProgram, options.foreground);
    for (const std::string& refused : export_link::prepare_forward_progress(kHeapBytes)) {
        log.write(base::LogLevel::Warning, "event=not-permitted what=\"" + refused + "\"");
    }
    ublk_server::Service service(options.service, log);
    auto started = export_link::lock_pid_file(options.pid_file, kProgram);
    if (started) {
        started = service.start();
    }
    const bool heard =
        report < 0 || export_link::report_start(report, started ? "" : started.error().text);
    if (!started) {
        return report < 0 ? complain(started.error()) : 1;
    }
    // Who started us is gone. A device that others use already goes on; a new one has no user, and
    // is found by the next daemon.
    if (!heard) {
        log.write(base::LogLevel::Notice, "event=started reason=\"nobody waited for it\"");
    }
    if (!options.foreground) {
        export_link::detach_from_terminal();
    }
    service.run();
    return 0;
}

int start(Options options, bool recover) {
    options.service.link.refused_limit = std::chrono::seconds(options.refused_seconds);
    options.service.start_limit = std::chrono::seconds(options.start_seconds);
    if (recover) {
        options.service.device = options.device;
    } else {
        const auto token = shim::ublk::parse_token(options.token);
        if (!token) {
            return complain({ErrorCode::Invalid, "'" + options.token + "' is no token"});
        }
        options.service.token = *token;
    }
    if (options.foreground) {
        return serve(options, -1);
    }
    return export_link::start_in_background(
        kProgram, [&options](int report) { return serve(options, report); });
}

int command(Result<void> (shim::UblkControl::*deed)(std::uint32_t), std::uint32_t device) {
    auto control = shim::UblkControl::open();
    if (!control) {
        return complain(control.error());
    }
    const auto done = ((*control).*deed)(device);
    return done ? 0 : complain(done.error());
}

void add_serving(CLI::App& app, Options& options) {
    app.add_option("--socket", options.service.link.socket, "unix socket of the NBD server")
        ->required();
    app.add_option("--export",
                   options.service.link.export_name,
                   "name of the export (default: the default export)");
    app.add_option("--pid-file", options.pid_file, "file to write the pid to and to keep locked");
    app.add_option(
        "--start-limit", options.start_seconds, "seconds to wait for what is needed at first (5)");
    app.add_option(
        "--refused-limit",
        options.refused_seconds,
        "seconds that a server may refuse the export before requests fail; 0 = for ever (60)");
    app.add_flag(
        "--foreground", options.foreground, "stay in the foreground, log to standard error too");
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"Serves one NBD export as a ublk device of the kernel"};
    app.require_subcommand(1);
    CLI::App* make = app.add_subcommand("serve", "make a device");
    add_serving(*make, options);
    make->add_option("--block-size", options.service.block_bytes, "logical block size (512)");
    make->add_option("--token", options.token, "kept by the kernel with the device")->required();
    CLI::App* recover = app.add_subcommand("recover", "go on with a device without a server");
    add_serving(*recover, options);
    CLI::App* stop = app.add_subcommand("stop", "end a device");
    CLI::App* remove = app.add_subcommand("remove", "take away what is left of a device");
    for (CLI::App* of_device : {recover, stop, remove}) {
        of_device->add_option("--device", options.device, "the device's number")->required();
    }
    CLI11_PARSE(app, argc, argv);

    // A descriptor inherited by mistake could keep the daemon's disks busy after its death.
    ::close_range(3, ~0u, 0);
    ::umask(077);
    if (*stop || *remove) {
        return command(*stop ? &shim::UblkControl::stop : &shim::UblkControl::remove,
                       options.device);
    }
    return start(options, static_cast<bool>(*recover));
}
