#include "kmod-shim/link/forward_progress.h"

#include <climits>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <memory>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace export_link {

namespace {

// Linux 5.6; C libraries of today do not all name it.
constexpr int kSetIoFlusher = 57;

// From here on the heap is the pool: nothing is returned to the kernel or mapped aside.
void preallocate_heap(std::size_t bytes) {
    ::mallopt(M_MMAP_MAX, 0);
    ::mallopt(M_TRIM_THRESHOLD, INT_MAX);
    constexpr std::size_t kPiece = 1u << 20;
    std::vector<std::unique_ptr<char[]>> pieces;
    for (std::size_t taken = 0; taken < bytes; taken += kPiece) {
        pieces.emplace_back(new char[kPiece]);
        std::memset(pieces.back().get(), 1, kPiece);
    }
}

bool write_oom_score(std::string_view score) {
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool written = ::write(fd, score.data(), score.size()) > 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    return written;
}

}  // namespace

std::vector<std::string> prepare_forward_progress(std::size_t heap_bytes) {
    std::vector<std::string> refused;
    const auto check = [&refused](bool done, const char* what) {
        if (!done) {
            refused.push_back(std::string(what) + ": " + std::strerror(errno));
        }
    };
    preallocate_heap(heap_bytes);
    check(::prctl(kSetIoFlusher, 1, 0, 0, 0) == 0,
          "PR_SET_IO_FLUSHER (needs CAP_SYS_RESOURCE; without it heavy memory pressure can stall "
          "I/O)");
    // On fault: what was touched stays, the heap above all; libraries' data that nobody ever reads
    // (30 MB of ICU tables behind libnbd) is not brought in.
    check(::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0,
          "mlockall (needs CAP_IPC_LOCK; without it swapping can stall I/O)");
    check(write_oom_score("-1000"),
          "oom_score_adj -1000 (needs CAP_SYS_RESOURCE; without it the OOM killer may choose us)");
    return refused;
}

}  // namespace export_link
