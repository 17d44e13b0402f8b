#include "heartbeat/agents/filesystem/ext_state.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <unistd.h>

namespace hb {

namespace {

constexpr std::size_t kSuperblockBytes = 1024;
constexpr off_t kSuperblockOffset = 1024;

CheckNeed read_ext(const std::string& device) {
    const int fd = ::open(device.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return CheckNeed::Unknown;
    }
    std::array<std::uint8_t, kSuperblockBytes> bytes{};
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), kSuperblockOffset);
    ::close(fd);
    return got == static_cast<ssize_t>(bytes.size()) ? check_need_of_ext(bytes)
                                                     : CheckNeed::Unknown;
}

}  // namespace

CheckNeed check_need_of_ext(std::span<const std::uint8_t> superblock) {
    constexpr std::size_t kMagic = 0x38;
    constexpr std::size_t kState = 0x3a;
    constexpr std::size_t kCompatible = 0x5c;
    const auto le16 = [&](std::size_t at) {
        return static_cast<unsigned>(superblock[at] | superblock[at + 1] << 8);
    };
    if (superblock.size() < kSuperblockBytes || le16(kMagic) != 0xef53) {
        return CheckNeed::Unknown;
    }
    const bool clean = (le16(kState) & 1) != 0;
    const bool errors = (le16(kState) & 2) != 0;
    const bool journal = (le16(kCompatible) & 4) != 0;
    return errors || (!clean && !journal) ? CheckNeed::Yes : CheckNeed::No;
}

bool needs_check(const std::string& type, const std::string& device) {
    constexpr std::array kCheckedAlways = {"vfat", "msdos", "minix", "exfat"};
    if (std::find(kCheckedAlways.begin(), kCheckedAlways.end(), type) != kCheckedAlways.end()) {
        return true;
    }
    const bool may_be_ext = type.empty() || type == "auto" || type.starts_with("ext");
    return may_be_ext && device.starts_with("/") && read_ext(device) == CheckNeed::Yes;
}

}  // namespace hb
