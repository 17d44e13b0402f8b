#include "base/log.h"
#include "cli/drbdmeta/commands.h"
#include "cli/drbdmeta/exit_code.h"
#include "cli/drbdmeta/session.h"
#include "meta/dump.h"
#include "meta/dump_v09.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <type_traits>
#include <unistd.h>

namespace drbdmeta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::uint64_t kDumpPieceBytes = 1u << 20;

void print_header(const CommandLine& line) {
    const std::time_t now = std::time(nullptr);
    std::tm local = {};
    std::array<char, 64> date = {};
    if (localtime_r(&now, &local) != nullptr) {
        std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M:%S %z", &local);
    }
    std::array<char, 256> host = {};
    if (::gethostname(host.data(), host.size() - 1) != 0) {
        host[0] = '?';
    }
    std::printf("# DRBD meta data dump\n# %s [%lld]\n# %s> %s\n#\n\n",
                date.data(),
                static_cast<long long>(now),
                host.data(),
                line.as_typed.c_str());
}

Result<void> print_bitmap(const MetaDevice& device, base::Sector at, std::uint64_t length) {
    meta::BitmapText text(
        [](std::string_view part) { std::fwrite(part.data(), 1, part.size(), stdout); });
    for (std::uint64_t done = 0; done < length;) {
        const std::uint64_t piece = std::min(kDumpPieceBytes, length - done);
        const auto bits = device.read(to_bytes(at) + done, piece);
        if (!bits) {
            return bits.error();
        }
        text.append(*bits);
        done += piece;
    }
    text.finish();
    return {};
}

// Reads no more than a dump of this much bitmap can be long: 20 characters a word, and comments.
Result<std::string> read_dump(const std::string& path, std::uint64_t max_bitmap_bytes) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        return Error{ErrorCode::Permission, "open of '" + path + "' failed."};
    }
    const std::uint64_t limit = max_bitmap_bytes * 4 + (1u << 20);
    std::string text;
    std::vector<char> piece(kDumpPieceBytes);
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
        text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
        if (text.size() > limit) {
            return Error{ErrorCode::TooBig,
                         "'" + path + "' is too long for a dump of this device's metadata"};
        }
    }
    return text;
}

// The room for the bitmap with the smallest log; the one that the dump has is looked at later.
template <typename Dump>
Result<Dump> parse_file(const CommandLine& line, const MetaDevice& device) {
    const std::string& path = line.arguments[0];
    const auto layout = meta::layout_for(line.placement, device.size_bytes());
    if (!layout) {
        return layout.error();
    }
    const std::uint64_t room = layout->bitmap_sectors * base::kSectorBytes;
    const Result<std::string> text = read_dump(path, room);
    if (!text) {
        return text.error();
    }
    if constexpr (std::is_same_v<Dump, meta::DumpV09>) {
        return meta::parse_dump_v09(*text, room);
    } else {
        return meta::parse_dump(*text, room);
    }
}

Result<void> write_bitmap(MetaDevice& device,
                          const meta::Layout& layout,
                          std::vector<std::uint8_t> bitmap) {
    const std::size_t blocks = (bitmap.size() + meta::kBlockBytes - 1) / meta::kBlockBytes;
    bitmap.resize(blocks * meta::kBlockBytes);
    if (Result<void> done = device.write(to_bytes(layout.bitmap_sector), bitmap); !done) {
        return done;
    }
    const base::Sector rest = layout.bitmap_sector + base::Sector{blocks * meta::kSectorsPerBlock};
    const base::Sector end = bitmap_to_clear(device, layout);
    return rest < end ? clear(device, rest, end) : device.flush();
}

// Unlike drbd-utils 9.22, the activity log is initialized too: whatever lay there means nothing.
template <typename Dump>
Result<void> write_restored(const CommandLine& line, MetaDevice& device, Dump dump) {
    auto sb = dump.superblock;
    const auto layout =
        meta::layout_for(line.placement, device.size_bytes(), sb.al_stripes, sb.al_stripe_size_4k);
    if (!layout) {
        return layout.error();
    }
    if (dump.bitmap.size() > layout->bitmap_sectors * base::kSectorBytes) {
        return Error{ErrorCode::TooBig,
                     "the bitmap of this dump is larger than that of the device"};
    }
    if (sb.bm_bytes_per_bit != meta::kBmBytesPerBit) {
        return Error{ErrorCode::Invalid, "bm-byte-per-bit must be 4096"};
    }
    if (sb.la_size_sectors > layout->usable_sectors) {
        std::printf("# la-size-sect was too big (%llu), truncated (%llu)!\n",
                    static_cast<unsigned long long>(sb.la_size_sectors),
                    static_cast<unsigned long long>(layout->usable_sectors));
        sb.la_size_sectors = layout->usable_sectors;
    }
    sb.md_size_sectors = static_cast<std::uint32_t>(layout->md_size_sectors);
    sb.al_offset = layout->al_offset;
    sb.bm_offset = layout->bm_offset;
    if (Result<void> done = write_bitmap(device, *layout, std::move(dump.bitmap)); !done) {
        return done;
    }
    if (Result<void> done = initialize_activity_log(device, *layout); !done) {
        return done;
    }
    return write_superblock(device, *layout, sb);
}

int bad_dump(const Error& error) {
    const int code = report(error);
    return error.code == ErrorCode::Permission ? code : int{kBadValue};
}

// `head`: all before the bitmap, of which `bitmap_bytes` are shown.
int dump(const CommandLine& line,
         const MetaDevice& device,
         bool clean,
         const std::string& head,
         base::Sector bitmap,
         std::uint64_t bitmap_bytes) {
    if (!clean) {
        std::fprintf(stderr, "Found meta data is \"unclean\", please apply-al first\n");
        if (!line.force) {
            return kFailed;
        }
    }
    print_header(line);
    std::fputs(head.c_str(), stdout);
    if (const Result<void> printed = print_bitmap(device, bitmap, bitmap_bytes); !printed) {
        return report(printed.error());
    }
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? kOk : kBadValue;
}

int dump_v08(const CommandLine& line, const MetaDevice& device, const FoundMetadata& found) {
    const std::uint64_t at = to_bytes(found.layout.superblock_sector);
    return dump(line,
                device,
                found.superblock.is_clean(),
                meta::dump_head(found.superblock, at),
                found.layout.bitmap_sector,
                meta::dumped_bitmap_bytes(found.superblock, at));
}

int dump_v09(const CommandLine& line, const MetaDevice& device) {
    const Result<FoundV09> found = find_v09(line, device);
    if (!found) {
        const int code = report(found.error());
        std::fputs(code == kFailed ? "No valid meta data found\n" : "", stderr);
        return code;
    }
    const std::uint64_t at = to_bytes(found->layout.superblock_sector);
    const std::uint64_t length =
        meta::dumped_bitmap_bytes(meta::as_v08(found->superblock).value(), at);
    return dump(line,
                device,
                found->superblock.is_clean(),
                meta::dump_head(found->superblock, at, length),
                found->layout.bitmap_sector,
                length);
}

// Also of another version than the dump: what is overwritten is gone.
bool holds_metadata(const CommandLine& line, const MetaDevice& device) {
    const Result<FoundMetadata> found = find_metadata(line, device);
    return found || found.error().code == ErrorCode::Unsupported ||
           (line.format == "v09" && find_v09(line, device));
}

template <typename Dump>
int restore(const CommandLine& line, MetaDevice& device) {
    // Everything is known to be good before anything is overwritten.
    Result<Dump> dump = parse_file<Dump>(line, device);
    if (!dump) {
        return bad_dump(dump.error());
    }
    if (holds_metadata(line, device) && !confirm(line, "Valid meta-data in place, overwrite?")) {
        std::printf("Operation cancelled.\n");
        return kFailed;
    }
    if (const Result<void> done = write_restored(line, device, std::move(dump).value()); !done) {
        return bad_dump(done.error());
    }
    std::printf("Successfully restored meta data\n");
    return kOk;
}

template <typename Dump>
int verify(const CommandLine& line, const MetaDevice& device) {
    const Result<Dump> dump = parse_file<Dump>(line, device);
    if (!dump) {
        return bad_dump(dump.error());
    }
    std::printf("input file parsed ok\n");
    return kOk;
}

}  // namespace

int dump_md(const CommandLine& line) {
    if (line.format == "v09") {
        return with_device(
            line, Access::Read, [&line](MetaDevice& device) { return dump_v09(line, device); });
    }
    return with_metadata(
        line, Access::Read, [&line](MetaDevice& device, const FoundMetadata& found) {
            return dump_v08(line, device, found);
        });
}

int restore_md(const CommandLine& line) {
    return with_device(line, Access::Write, [&line](MetaDevice& device) {
        return line.format == "v09" ? restore<meta::DumpV09>(line, device)
                                    : restore<meta::Dump>(line, device);
    });
}

int verify_dump(const CommandLine& line) {
    return with_device(line, Access::Read, [&line](MetaDevice& device) {
        return line.format == "v09" ? verify<meta::DumpV09>(line, device)
                                    : verify<meta::Dump>(line, device);
    });
}

}  // namespace drbdmeta
