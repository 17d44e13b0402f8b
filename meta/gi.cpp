#include "meta/gi.h"

#include "base/log.h"

#include <algorithm>
#include <array>

namespace meta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kUuidFields = 4;

// In the order of the line; AL_CLEAN and AL_DISABLED are not shown.
constexpr std::array<MdFlag, 7> kShownFlags = {kMdConsistent,
                                               kMdWasUpToDate,
                                               kMdPrimaryInd,
                                               kMdConnectedInd,
                                               kMdFullSync,
                                               kMdPeerOutDated,
                                               kMdCrashedPrimary};

constexpr const char* kLegendAbove =
    "\n"
    "       +--<  Current data generation UUID  >-\n"
    "       |               +--<  Bitmap's base data generation UUID  >-\n"
    "       |               |                 +--<  younger history UUID  >-\n"
    "       |               |                 |         +-<  older history  >-\n"
    "       V               V                 V         V\n";

constexpr std::array<const char*, 8> kLegendBelow = {
    "^ ^ ^ ^ ^ ^ ^",
    "-<  Data consistency flag  >--+ | | | | | |",
    "-<  Data was/is currently up-to-date  >--+ | | | | |",
    "-<  Node was/is currently primary  >--+ | | | |",
    "-<  Node was/is currently connected  >--+ | | |",
    "-<  Node was in the progress of setting all bits in the bitmap  >--+ | |",
    "-<  The peer's disk was out-dated or inconsistent  >--+ |",
    "-<  This node was a crashed primary, and has not seen its peer since   >--+"};

// The legend's lines end below the last flag of the line above them.
constexpr int kLineWidth = kUuidFields * 17 + 2 * kShownFlags.size() - 1;

std::string flags_in_words(const Superblock& sb) {
    std::string text = "flags:";
    text += sb.has(kMdCrashedPrimary) ? " crashed" : "";
    text += sb.has(kMdPrimaryInd) ? " Primary, " : " Secondary, ";
    text += sb.has(kMdConnectedInd) ? "Connected, " : "StandAlone, ";
    if (!sb.has(kMdConsistent)) {
        text += "Inconsistent";
    } else {
        text += sb.has(kMdWasUpToDate) ? "UpToDate" : "Outdated";
    }
    text += sb.has(kMdFullSync) ? ", need full sync" : "";
    text += sb.has(kMdPeerOutDated) ? ", peer Outdated" : "";
    return text + "\n";
}

std::uint64_t& uuid_field(Superblock& sb, std::size_t index) {
    switch (index) {
        case 0:
            return sb.current_uuid;
        case 1:
            return sb.bitmap_uuid;
        default:
            return sb.history_uuids[index - 2];
    }
}

Result<void> set_flag(Superblock& sb, MdFlag flag, std::string_view text) {
    if (text != "0" && text != "1") {
        return Error{ErrorCode::Invalid, "flags must be 0 or 1, not '" + std::string(text) + "'"};
    }
    sb.flags = text == "1" ? sb.flags | flag : sb.flags & ~std::uint32_t{flag};
    return {};
}

Result<void> set_field(Superblock& sb, std::size_t index, std::string_view text) {
    if (text.empty()) {
        return {};
    }
    if (index >= kUuidFields) {
        return set_flag(sb, kShownFlags[index - kUuidFields], text);
    }
    const Result<std::uint64_t> uuid = parse_hex64(text);
    if (!uuid) {
        return uuid.error();
    }
    uuid_field(sb, index) = *uuid;
    return {};
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string gi_line(const Superblock& sb) {
    std::string line = base::hex64(sb.current_uuid) + ":" + base::hex64(sb.bitmap_uuid) + ":" +
                       base::hex64(sb.history_uuids[0]) + ":" + base::hex64(sb.history_uuids[1]);
    for (const MdFlag flag : kShownFlags) {
        line += sb.has(flag) ? ":1" : ":0";
    }
    return line;
}

std::string show_gi(const Superblock& sb) {
    std::string text = kLegendAbove + gi_line(sb) + "\n";
    for (std::size_t i = 0; i < kLegendBelow.size(); ++i) {
        // The last line points at the last flag, the first one at all of them.
        text += base::format("%*s\n", kLineWidth, kLegendBelow[i]);
    }
    text += "\n" + flags_in_words(sb);
    text += sb.has(kMdAlClean) ? "meta-data: clean\n" : "meta-data: need apply-al\n";
    if (sb.la_size_sectors == 0) {
        return text + "zero size device -- never seen peer yet?\n";
    }
    return text + base::format(
                      "last agreed size: %s (%llu sectors)\n"
                      "last agreed max bio size: %u Byte\n",
                      pretty_size(sb.la_size_sectors / 2).c_str(),
                      static_cast<unsigned long long>(sb.la_size_sectors),
                      sb.la_peer_max_bio_size);
}

Result<Superblock> with_gi(const Superblock& superblock, std::string_view text) {
    Superblock sb = superblock;
    std::size_t index = 0;
    while (true) {
        if (index == kUuidFields + kShownFlags.size()) {
            return Error{ErrorCode::Invalid, "too many fields: 4 identifiers and 7 flags at most"};
        }
        const std::size_t end = std::min(text.find(':'), text.size());
        if (Result<void> set = set_field(sb, index, text.substr(0, end)); !set) {
            return set.error();
        }
        if (end == text.size()) {
            return sb;
        }
        text.remove_prefix(end + 1);
        ++index;
    }
}

const char* disk_state(const Superblock& sb) {
    if (!sb.has(kMdConsistent)) {
        return "Inconsistent";
    }
    if (!sb.has(kMdWasUpToDate)) {
        return "Outdated";
    }
    return sb.has(kMdPeerOutDated) ? "UpToDate" : "Consistent";
}

Result<std::uint64_t> parse_hex64(std::string_view text) {
    std::uint64_t value = 0;
    bool valid = !text.empty() && text.size() <= 16;
    for (const char c : text) {
        const int digit = hex_digit(c);
        valid = valid && digit >= 0;
        value = value << 4 | static_cast<std::uint64_t>(std::max(digit, 0));
    }
    if (!valid) {
        return Error{ErrorCode::Invalid,
                     "'" + std::string(text) + "' is not a hexadecimal number of 1 to 16 digits"};
    }
    return value;
}

std::string pretty_size(std::uint64_t kib) {
    static constexpr std::array<const char*, 6> kUnits = {"KB", "MB", "GB", "TB", "PB", "EB"};
    std::size_t unit = 0;
    while (kib >= 10000 && unit + 1 < kUnits.size()) {
        kib = (kib >> 10) + (kib >> 9 & 1);
        ++unit;
    }
    return base::format("%llu %s", static_cast<unsigned long long>(kib), kUnits[unit]);
}

}  // namespace meta
