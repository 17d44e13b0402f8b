// Whether a file system must be checked before it is mounted.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace hb {

enum class CheckNeed { No, Yes, Unknown };

// Of an ext2/3/4 superblock (1024 bytes): errors were recorded, or a file system without a journal
// was not unmounted cleanly. Unknown: not such a superblock. Pure.
CheckNeed check_need_of_ext(std::span<const std::uint8_t> superblock);

// By the type of the file system: journals make ready by themselves, network and memory file
// systems have nothing to check. `device` is read only for the ext family.
bool needs_check(const std::string& type, const std::string& device);

}  // namespace hb
