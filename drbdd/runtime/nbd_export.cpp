#include "drbdd/runtime/nbd_export.h"

#include "base/log.h"

#include <libnbd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace runtime {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kLargestBlock = 4096;   // of the engine
constexpr std::uint32_t kLargestIo = 1u << 20;  // bytes
constexpr unsigned kServerSilentMs = 30'000;    // then its machine counts as dead

Error failed(ErrorCode code, const std::string& uri, const std::string& why) {
    return {code, "cannot open the export " + uri + ": " + why};
}

Error nbd_failed(const std::string& uri) {
    const char* text = nbd_get_error();
    return failed(nbd_get_errno() == ENOENT || nbd_get_errno() == ECONNREFUSED ? ErrorCode::NotFound
                                                                               : ErrorCode::Io,
                  uri,
                  text != nullptr ? text : "no reason was given");
}

// Simple replies carry what is read in one piece with the least framing.
bool prepare(nbd_handle* nbd) {
    return nbd_set_uri_allow_local_file(nbd, true) == 0 &&
           nbd_set_uri_allow_transports(
               nbd, LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX) == 0 &&
#ifdef LIBNBD_HAVE_NBD_SET_REQUEST_EXTENDED_HEADERS
           nbd_set_request_extended_headers(nbd, false) == 0 &&
#endif
           nbd_set_request_structured_replies(nbd, false) == 0 &&
           nbd_set_pread_initialize(nbd, false) == 0;
}

// As nbd_connect_uri(), which has no limit.
Result<void> connect(nbd_handle* nbd, const std::string& uri, Clock::time_point until) {
    if (!prepare(nbd) || nbd_aio_connect_uri(nbd, uri.c_str()) != 0) {
        return nbd_failed(uri);
    }
    while (nbd_aio_is_ready(nbd) != 1) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
        const int turned = left <= 0 ? 0 : nbd_poll(nbd, static_cast<int>(left));
        if (turned < 0) {
            return nbd_failed(uri);
        }
        if (turned == 0) {
            return failed(ErrorCode::Timeout, uri, "no answer in time");
        }
    }
    return {};
}

// A machine that has lost its power says nothing: this is what tells of it.
void watch_for_silence(nbd_handle* nbd) {
    const int socket = nbd_aio_get_fd(nbd);
    const auto set = [socket](int level, int name, auto value) {
        ::setsockopt(socket, level, name, &value, sizeof value);  // none of a unix socket
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 5);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, kServerSilentMs);
}

std::uint64_t block_size(nbd_handle* nbd, int which) {
    const std::int64_t size = nbd_get_block_size(nbd, which);
    return size > 0 ? static_cast<std::uint64_t>(size) : 0;
}

Result<void> look_at(NbdExport& found, const std::string& uri) {
    nbd_handle* nbd = found.handle.get();
    const std::int64_t size = nbd_get_size(nbd);
    const std::uint64_t block = std::max<std::uint64_t>(512, block_size(nbd, LIBNBD_SIZE_MINIMUM));
    const std::uint64_t most = block_size(nbd, LIBNBD_SIZE_MAXIMUM);
    if (nbd_is_read_only(nbd) != 0) {
        return failed(ErrorCode::Permission, uri, "it is read-only");
    }
    if (nbd_can_flush(nbd) != 1) {
        return failed(
            ErrorCode::Unsupported, uri, "it takes no flushes: nobody could tell what is durable");
    }
    if (block > kLargestBlock || !std::has_single_bit(block) || (most != 0 && most < 4096)) {
        return failed(ErrorCode::Unsupported, uri, "its blocks are larger than 4096 bytes");
    }
    if (size < static_cast<std::int64_t>(kMinBackingBytes)) {
        return failed(ErrorCode::TooSmall, uri, "it is too small");
    }
    io::DiskGeometry& geometry = found.geometry;
    geometry.size_bytes = static_cast<std::uint64_t>(size);
    geometry.logical_block_bytes = static_cast<std::uint32_t>(block);
    geometry.physical_block_bytes = 4096;
    geometry.max_io_bytes = kLargestIo;
    if (most != 0 && most < kLargestIo) {
        geometry.max_io_bytes = static_cast<std::uint32_t>(std::bit_floor(most));
    }
    geometry.rotational = nbd_is_rotational(nbd) == 1;
    found.can_fua = nbd_can_fua(nbd) == 1;
    found.can_zero = nbd_can_zero(nbd) == 1;
    // TRIM leaves open what is read afterwards. A server that has it punches holes for zeroes, too.
    geometry.can_discard = found.can_zero && nbd_can_trim(nbd) == 1;
    return {};
}

}  // namespace

bool is_export(std::string_view disk) {
    return disk.find("://") != disk.npos && disk.starts_with("nbd");
}

bool NbdExport::stands_in_for(const NbdExport& other) const {
    return geometry.size_bytes == other.geometry.size_bytes &&
           geometry.logical_block_bytes <= other.geometry.logical_block_bytes &&
           geometry.max_io_bytes >= other.geometry.max_io_bytes && can_fua >= other.can_fua &&
           can_zero >= other.can_zero;
}

Result<NbdExport> open_export(const std::string& uri, std::chrono::milliseconds limit) {
    const auto until = Clock::now() + limit;
    NbdExport found;
    found.handle = std::shared_ptr<nbd_handle>(nbd_create(), [](nbd_handle* nbd) {
        if (nbd != nullptr) {
            nbd_close(nbd);
        }
    });
    if (!found.handle) {
        return nbd_failed(uri);
    }
    if (auto connected = connect(found.handle.get(), uri, until); !connected) {
        return connected.error();
    }
    if (auto fits = look_at(found, uri); !fits) {
        return fits.error();
    }
    watch_for_silence(found.handle.get());
    return found;
}

}  // namespace runtime
