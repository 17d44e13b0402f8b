// For LD_PRELOAD into drbdd: lets the n-th call of one kind fail, as the kernel does at its limits.
//
// The file that DRBDD_FAIL_PLAN names holds a Plan. The test writes `kind` and then `countdown`,
// which each call of that kind counts down; the one that makes it 0 fails and sets `failed`.
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct io_uring;
struct io_uring_params;

namespace {

// As the test numbers them.
enum Kind : std::int32_t {
    kThread = 1,
    kEpoll,
    kWatch,
    kEventfd,
    kTimerfd,
    kRing,
    kRingEventfd,
    kBuffers,
    kSocket,
    kBind,
    kListen,
    kAccept,
    kOpen,
    kPipe,
    kSpawn,
};

struct Plan {
    std::atomic<std::int32_t> kind;
    std::atomic<std::int32_t> countdown;
    std::atomic<std::int32_t> failed;
};

Plan* open_plan() {
    const char* path = std::getenv("DRBDD_FAIL_PLAN");
    // Its children inherit the environment: they are not what is tried.
    if (path == nullptr || std::string_view(program_invocation_short_name) != "drbdd") {
        return nullptr;
    }
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    return memory == MAP_FAILED ? nullptr : static_cast<Plan*>(memory);
}

std::atomic<Plan*> plan = nullptr;

__attribute__((constructor)) void begin() {
    plan = open_plan();
}

bool fails(Kind kind) {
    Plan* const now = plan;
    if (now == nullptr || now->kind != kind || now->countdown <= 0 || --now->countdown != 0) {
        return false;
    }
    now->failed = 1;
    return true;
}

int refuse(int error) {
    errno = error;
    return -1;
}

template <typename Function>
Function* real(const char* name, Function*) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

#define REAL(function) (real(#function, &(function)))

extern "C" {

// What these take and return is what the headers say, which declare most of them as not throwing.

int pthread_create(pthread_t* thread,
                   const pthread_attr_t* attributes,
                   void* (*routine)(void*),
                   void* argument) noexcept {
    return fails(kThread) ? EAGAIN : REAL(pthread_create)(thread, attributes, routine, argument);
}

int epoll_create1(int flags) noexcept {
    return fails(kEpoll) ? refuse(EMFILE) : REAL(epoll_create1)(flags);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    // The loop's own wakeup is edge triggered and has no pointer of a descriptor's: without it
    // there is no loop, and the library does not look at the result.
    const bool counts =
        operation == EPOLL_CTL_ADD && event->events != (EPOLLIN | EPOLLERR | EPOLLET);
    return counts && fails(kWatch) ? refuse(ENOSPC) : REAL(epoll_ctl)(epoll, operation, fd, event);
}

int eventfd(unsigned value, int flags) noexcept {
    return fails(kEventfd) ? refuse(EMFILE) : REAL(eventfd)(value, flags);
}

int timerfd_create(clockid_t clock, int flags) noexcept {
    return fails(kTimerfd) ? refuse(EMFILE) : REAL(timerfd_create)(clock, flags);
}

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params);
int io_uring_register_eventfd(io_uring* ring, int fd);
int io_uring_register_buffers_sparse(io_uring* ring, unsigned count);

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
    return fails(kRing) ? -ENOMEM : REAL(io_uring_queue_init_params)(entries, ring, params);
}

int io_uring_register_eventfd(io_uring* ring, int fd) {
    return fails(kRingEventfd) ? -EMFILE : REAL(io_uring_register_eventfd)(ring, fd);
}

int io_uring_register_buffers_sparse(io_uring* ring, unsigned count) {
    return fails(kBuffers) ? -ENOMEM : REAL(io_uring_register_buffers_sparse)(ring, count);
}

int socket(int domain, int type, int protocol) noexcept {
    return fails(kSocket) ? refuse(EMFILE) : REAL(socket)(domain, type, protocol);
}

int bind(int fd, const sockaddr* address, socklen_t length) noexcept {
    return fails(kBind) ? refuse(ENOBUFS) : REAL(bind)(fd, address, length);
}

int listen(int fd, int backlog) noexcept {
    return fails(kListen) ? refuse(ENOBUFS) : REAL(listen)(fd, backlog);
}

int accept(int fd, sockaddr* address, socklen_t* length) {
    return fails(kAccept) ? refuse(EMFILE) : REAL(accept)(fd, address, length);
}

int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    return fails(kAccept) ? refuse(EMFILE) : REAL(accept4)(fd, address, length, flags);
}

int open(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails(kOpen) ? refuse(EMFILE) : REAL(open)(path, flags, mode);
}

int pipe2(int* ends, int flags) noexcept {
    return fails(kPipe) ? refuse(EMFILE) : REAL(pipe2)(ends, flags);
}

int posix_spawn(pid_t* pid,
                const char* path,
                const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes,
                char* const* arguments,
                char* const* environment) {
    return fails(kSpawn)
               ? EAGAIN
               : REAL(posix_spawn)(pid, path, actions, attributes, arguments, environment);
}

}  // extern "C"
