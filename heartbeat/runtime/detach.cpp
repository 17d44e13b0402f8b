#include "heartbeat/runtime/detach.h"

#include "base/log.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <utility>

namespace hb {

namespace {

// In the process that the user started. The first byte only says that there is a report.
[[noreturn]] void wait_for_report(int pipe) {
    std::string text;
    std::array<char, 512> piece;
    ssize_t got = 0;
    while ((got = ::read(pipe, piece.data(), piece.size())) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0) {
            text.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    if (text.size() == 1) {
        ::_exit(0);
    }
    if (text.empty()) {
        text = " the daemon died while it was starting; its log may say why";
    }
    std::fprintf(stderr, "heartbeat: %s\n", text.c_str() + 1);
    ::_exit(1);
}

}  // namespace

base::Result<Detached> Detached::start(bool detach) {
    Detached result;
    if (!detach) {
        return result;
    }
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return base::Error{base::ErrorCode::Io,
                           std::string("cannot make a pipe: ") + std::strerror(errno)};
    }
    FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) {
        return base::Error{base::ErrorCode::Io,
                           std::string("cannot start the daemon: ") + std::strerror(errno)};
    }
    if (child > 0) {
        ::close(writing.release());
        wait_for_report(reading.get());
    }
    ::setsid();
    (void)!::chdir("/");
    result.pipe_ = std::move(writing);
    result.detached_ = true;
    return result;
}

void Detached::report(const std::string& text) {
    failed_ = !text.empty();
    if (!detached_) {
        if (failed_) {
            std::fprintf(stderr, "heartbeat: %s\n", text.c_str());
        }
        return;
    }
    const std::string message = " " + text;
    (void)!::write(pipe_.get(), message.data(), message.size());
    ::close(pipe_.release());
    const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null.get(), standard);
    }
}

}  // namespace hb
