// hb_write_probe DIRECTORY: writes and syncs a small file on the file system that is mounted there,
// and removes it. Exit 0: done; 1: refused, the reason is on standard output. One process that does
// nothing else, since it may be stuck in the kernel for as long as the device is.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr const char* kHelp =
    "usage: hb_write_probe directory\n"
    "Writes and syncs a small file in the directory and removes it. Exit 0 when that worked. A\n"
    "directory of the root file system is refused: what is meant is not mounted there.\n";

int fail(const std::string& directory, const char* why) {
    std::printf("%s: %s\n", directory.c_str(), why);
    return 1;
}

// 0 or the errno.
int write_and_sync(int fd) {
    std::array<char, 512> bytes{};
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0 && written < static_cast<ssize_t>(bytes.size())) {
        return ENOSPC;
    }
    return written < 0 || ::fsync(fd) != 0 ? errno : 0;
}

int probe(const std::string& directory) {
    struct stat here {};

    struct stat root {};

    if (::stat(directory.c_str(), &here) != 0 || ::stat("/", &root) != 0) {
        return fail(directory, std::strerror(errno));
    }
    if (here.st_dev == root.st_dev) {
        return fail(directory, "on the root file system: nothing is mounted there");
    }
    const std::string path = directory + "/.heartbeat-probe";
    const int fd =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(directory, std::strerror(errno));
    }
    const int error = write_and_sync(fd);
    ::close(fd);
    ::unlink(path.c_str());
    return error == 0 ? 0 : fail(directory, std::strerror(error));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 || argv[1][0] == '-') {
        std::fputs(kHelp, argc == 2 ? stdout : stderr);
        return argc == 2 && std::strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    return probe(argv[1]);
}
