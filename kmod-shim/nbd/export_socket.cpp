#include "kmod-shim/nbd/export_socket.h"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/nbd.h>
#include <memory>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

// Not all headers of the kernel know them; NBD protocol, transmission flags.
constexpr std::uint64_t kRotational = 1u << 4;
constexpr std::uint64_t kWriteZeroes = 1u << 6;

struct CloseExport {
    void operator()(nbd_handle* handle) const { nbd_close(handle); }
};

using ExportHandle = std::unique_ptr<nbd_handle, CloseExport>;

Error nbd_error(const std::string& what) {
    const char* text = nbd_get_error();
    return {ErrorCode::Io, what + ": " + (text != nullptr ? text : "no reason was given")};
}

bool prepare(nbd_handle* handle, const std::string& export_name) {
    return nbd_set_export_name(handle, export_name.c_str()) == 0 &&
#ifdef LIBNBD_HAVE_NBD_SET_REQUEST_EXTENDED_HEADERS
           nbd_set_request_extended_headers(handle, false) == 0 &&
#endif
           nbd_set_request_structured_replies(handle, false) == 0;
}

Result<void> shake_hands(nbd_handle* handle, const std::string& socket_path, Deadline deadline) {
    const std::string what = "cannot connect to " + socket_path;
    if (nbd_aio_connect_unix(handle, socket_path.c_str()) != 0) {
        return nbd_error(what);
    }
    while (nbd_aio_is_ready(handle) != 1) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        const int turned =
            left.count() <= 0
                ? 0
                : nbd_poll(handle, static_cast<int>(std::min<long long>(left.count(), 600'000)));
        if (turned < 0) {
            return nbd_error(what);
        }
        if (turned == 0) {
            return Error{ErrorCode::Timeout, what + ": no answer in time"};
        }
    }
    return {};
}

Result<std::uint64_t> flags_of(nbd_handle* handle) {
    std::uint64_t flags = NBD_FLAG_HAS_FLAGS;
    const auto add = [&flags](int answer, std::uint64_t flag) { flags |= answer == 1 ? flag : 0; };
    add(nbd_can_flush(handle), NBD_FLAG_SEND_FLUSH);
    add(nbd_can_fua(handle), NBD_FLAG_SEND_FUA);
    add(nbd_can_trim(handle), NBD_FLAG_SEND_TRIM);
    add(nbd_can_zero(handle), kWriteZeroes);
    add(nbd_is_rotational(handle), kRotational);
    if (nbd_is_read_only(handle) != 0) {
        return Error{ErrorCode::State, "the export is read-only: the resource is not Primary here"};
    }
    if ((flags & NBD_FLAG_SEND_FLUSH) == 0) {
        return Error{ErrorCode::Unsupported, "the export takes no flushes: they would be lost"};
    }
    return flags;
}

// Of its own, in blocking mode, as the kernel uses it: libnbd closes the other one.
Result<Fd> take_socket(nbd_handle* handle) {
    Fd fd(::fcntl(nbd_aio_get_fd(handle), F_DUPFD_CLOEXEC, 3));
    const int mode = fd ? ::fcntl(fd.get(), F_GETFL) : -1;
    if (mode < 0 || ::fcntl(fd.get(), F_SETFL, mode & ~O_NONBLOCK) != 0) {
        return system_error("cannot take over the connection to the export");
    }
    return fd;
}

}  // namespace

Result<ExportSocket> open_export(const std::string& socket_path,
                                 const std::string& export_name,
                                 Deadline deadline) {
    const ExportHandle handle(nbd_create());
    if (!handle || !prepare(handle.get(), export_name)) {
        return nbd_error("cannot make an NBD client");
    }
    if (auto ready = shake_hands(handle.get(), socket_path, deadline); !ready) {
        return ready.error();
    }
    const std::int64_t size = nbd_get_size(handle.get());
    if (size <= 0 || size % 512 != 0) {
        return Error{
            ErrorCode::Invalid,
            "the export has " + std::to_string(size) + " bytes, not a positive multiple of 512"};
    }
    const auto flags = flags_of(handle.get());
    if (!flags) {
        return flags.error();
    }
    auto fd = take_socket(handle.get());
    if (!fd) {
        return fd.error();
    }
    return ExportSocket{std::move(*fd), static_cast<std::uint64_t>(size), *flags};
}

}  // namespace shim
