#include "heartbeat/agents/address/announcer.h"

#include "heartbeat/agents/address/own_addresses.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;

// The announcer holds a lock on this file as long as it lives: the lock names the process, and no
// stale number can ever be killed.
int open_lock_file(const IpAddress& ip) {
    const std::string directory = agent_run_directory();
    ::mkdir(directory.c_str(), 0755);
    const std::string path = directory + "/announce-" + to_text(ip);
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

// The caller of the agent may wait for the end of its output: none of it may stay open here.
void keep_only(int one, int other) {
    const auto low = static_cast<unsigned>(std::min(one, other));
    const auto high = static_cast<unsigned>(std::max(one, other));
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null, fd);
    }
    for (unsigned fd = STDERR_FILENO + 1; fd < high; ++fd) {
        if (fd != low) {
            ::close(static_cast<int>(fd));
        }
    }
    ::close_range(high + 1, ~0U, 0);
}

void announce_the_rest(const LinkSocket& socket,
                       const Interface& interface,
                       const IpAddress& ip,
                       const AnnouncePlan& plan) {
    bool told = false;
    for (unsigned number = 1; number < plan.packets; ++number) {
        const Clock::time_point next = Clock::now() + plan.step;
        while (const auto other = wait_for_claim(socket, ip, next)) {
            if (!std::exchange(told, true)) {
                ::syslog(LOG_DAEMON | LOG_CRIT,
                         "%s is claimed by %s as well, on %s",
                         to_text(ip).c_str(),
                         to_text(*other).c_str(),
                         interface.name.c_str());
            }
        }
        socket.send(announcement(ip, interface.mac, number));
    }
}

bool lock(int fd) {
    struct flock range {};

    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    return ::fcntl(fd, F_SETLK, &range) == 0;
}

}  // namespace

Frame announcement(const IpAddress& ip, const MacAddress& mac, unsigned number) {
    if (ip.v6) {
        return neighbour_advertisement(ip, mac);
    }
    return number % 2 == 0 ? arp_announce_request(ip, mac) : arp_announce_reply(ip, mac);
}

base::Result<void> announce_in_background(const LinkSocket& socket,
                                          const Interface& interface,
                                          const IpAddress& ip,
                                          const AnnouncePlan& plan) {
    if (const int error = socket.send(announcement(ip, interface.mac, 0)); error != 0) {
        return base::Error{base::ErrorCode::Io,
                           to_text(ip) + " cannot be announced on " + interface.name + ": " +
                               std::strerror(error)};
    }
    end_announcer(ip);
    const int file = open_lock_file(ip);
    std::array<int, 2> locked{};
    if (file < 0 || ::pipe2(locked.data(), O_CLOEXEC) != 0) {
        return base::Error{base::ErrorCode::Io,
                           "the announcer of " + to_text(ip) + " cannot be started: " +
                               agent_run_directory() + ": " + std::strerror(errno)};
    }
    const pid_t child = ::fork();
    if (child == 0) {
        ::setsid();
        if (!lock(file)) {
            ::_exit(0);  // another start of the same address was faster
        }
        // Also closes the pipe, which tells the parent that the lock is held.
        keep_only(file, socket.fd());
        announce_the_rest(socket, interface, ip, plan);
        ::_exit(0);
    }
    ::close(locked[1]);
    ::close(file);
    char nothing = 0;
    while (::read(locked[0], &nothing, 1) < 0 && errno == EINTR) {  // until the child has the lock
    }
    ::close(locked[0]);
    return {};
}

void end_announcer(const IpAddress& ip) {
    const int file = open_lock_file(ip);
    if (file < 0) {
        return;
    }

    struct flock range {};

    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    if (::fcntl(file, F_GETLK, &range) == 0 && range.l_type != F_UNLCK && range.l_pid > 1) {
        ::kill(range.l_pid, SIGKILL);
    }
    ::close(file);
}

}  // namespace hb
