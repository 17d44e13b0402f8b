// Generation identifiers as text: what get-gi, show-gi, set-gi and dstate print and read. Metadata
// specification, section 12.
#pragma once

#include "base/result.h"
#include "meta/superblock.h"

#include <string>
#include <string_view>

namespace meta {

// "C:B:H0:H1:f:f:f:f:f:f:f" without a line end.
std::string gi_line(const Superblock& superblock);

// The line with its legend and the flags in words; several lines.
std::string show_gi(const Superblock& superblock);

// The superblock with those identifiers and flags replaced that `text` names: the syntax of
// gi_line, where an empty field keeps the old value and the list may stop early.
base::Result<Superblock> with_gi(const Superblock& superblock, std::string_view text);

// The disk state that an attach without a peer would start from, as DRBD prints it.
const char* disk_state(const Superblock& superblock);

// 16 hexadecimal digits or fewer, upper or lower case; nothing else.
base::Result<std::uint64_t> parse_hex64(std::string_view text);

// "1024 MB": at most four digits, as the original tools print sizes.
std::string pretty_size(std::uint64_t kib);

}  // namespace meta
