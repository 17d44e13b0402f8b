// For LD_PRELOAD into heartbeat: its monotonic clock does not count the time for which the machine
// was suspended, as the kernel's does not. The file that HB_SUSPENDED_MS names holds those
// milliseconds as a number of 64 bits, which the test writes; CLOCK_BOOTTIME is left alone.
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

const volatile std::int64_t* map_file() {
    const char* path = std::getenv("HB_SUSPENDED_MS");
    if (path == nullptr) {
        return nullptr;
    }
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    return memory == MAP_FAILED ? nullptr : static_cast<const volatile std::int64_t*>(memory);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
    static const volatile std::int64_t* const suspended_ms = map_file();
    const long result = ::syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC && suspended_ms != nullptr) {
        const std::int64_t nanoseconds =
            now->tv_sec * kSecond + now->tv_nsec - *suspended_ms * 1'000'000;
        now->tv_sec = nanoseconds / kSecond;
        now->tv_nsec = nanoseconds % kSecond;
    }
    return static_cast<int>(result);
}
