#include "cli/drbdmeta/session.h"

#include "base/log.h"
#include "cli/drbdmeta/exit_code.h"
#include "meta/activity_log.h"
#include "meta/superblock_v07.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>
#include <unistd.h>

namespace drbdmeta {

using base::Error;
using base::ErrorCode;
using base::Result;

// As v08 has them, whatever they are.
static Result<meta::Superblock> decode(const CommandLine& line, base::ConstBytes block) {
    const bool is_v09 = base::get_be32(block, 0x3C) == meta::kMagicV09;
    if (line.format == "v09" && is_v09) {
        return meta::superblock_of_v09(block);
    }
    if (line.format == "v07" && meta::is_v07(block)) {
        return meta::superblock_of_v07(block);
    }
    const auto v08 = meta::decode_superblock(block);
    if (v08 && line.format != "v08") {
        return Error{ErrorCode::Unsupported, "v08 metadata found, not " + line.format};
    }
    return v08;
}

// What lies where the superblock should.
static Result<std::vector<std::uint8_t>> read_place(const CommandLine& line,
                                                    const MetaDevice& device) {
    if (device.size_bytes() < meta::kMinDeviceBytes) {
        return Error{ErrorCode::TooSmall,
                     base::format("%s is only %llu bytes. That's not enough.",
                                  device.path().c_str(),
                                  static_cast<unsigned long long>(device.size_bytes()))};
    }
    if (const auto room = meta::layout_for(line.placement, device.size_bytes());
        !room && line.placement.is_external()) {
        return room.error();
    }
    return device.read(meta::superblock_byte(line.placement, device.size_bytes()),
                       meta::kBlockBytes);
}

Result<FoundV09> find_v09(const CommandLine& line, const MetaDevice& device) {
    const auto block = read_place(line, device);
    if (!block) {
        return block.error();
    }
    if (base::get_be32(*block, 0x3C) != meta::kMagicV09) {
        const auto other = decode(line, *block);
        return other ? Error{ErrorCode::NotFound, "no v09 metadata found"} : other.error();
    }
    const auto superblock = meta::decode_v09(*block);
    if (!superblock) {
        return superblock.error();
    }
    const auto layout =
        meta::layout_of(meta::as_v08(*superblock).value(), line.placement, device.size_bytes());
    if (!layout) {
        return layout.error();
    }
    return FoundV09{*superblock, *layout};
}

Result<FoundMetadata> find_metadata(const CommandLine& line, const MetaDevice& device) {
    const auto block = read_place(line, device);
    if (!block) {
        return block.error();
    }
    const auto superblock = decode(line, *block);
    if (!superblock) {
        return superblock.error();
    }
    const auto layout = meta::layout_of(*superblock, line.placement, device.size_bytes());
    if (!layout) {
        return layout.error();
    }
    return FoundMetadata{*superblock, *layout};
}

static Result<void> write_block(MetaDevice& device,
                                const meta::Layout& layout,
                                base::ConstBytes block) {
    if (Result<void> written = device.write(to_bytes(layout.superblock_sector), block); !written) {
        return written;
    }
    return device.flush();
}

Result<void> write_superblock(MetaDevice& device,
                              const meta::Layout& layout,
                              const meta::Superblock& superblock) {
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    meta::encode(superblock, block);
    return write_block(device, layout, block);
}

Result<void> write_superblock(MetaDevice& device,
                              const meta::Layout& layout,
                              const meta::SuperblockV09& superblock) {
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    meta::encode(superblock, block);
    return write_block(device, layout, block);
}

Result<void> clear(MetaDevice& device, base::Sector begin, base::Sector end) {
    const std::vector<std::uint8_t> zero(std::size_t{1} << 20);
    for (std::uint64_t at = to_bytes(begin); at < to_bytes(end);) {
        const std::uint64_t piece = std::min<std::uint64_t>(zero.size(), to_bytes(end) - at);
        if (Result<void> written = device.write(at, base::ConstBytes(zero).first(piece));
            !written) {
            return written;
        }
        at += piece;
    }
    return device.flush();
}

base::Sector bitmap_to_clear(const MetaDevice& device, const meta::Layout& layout) {
    constexpr std::uint64_t kBytesPerBlock = meta::kBlockBytes * 8 * base::kBytesPerBit;
    const std::uint64_t blocks = (device.size_bytes() + kBytesPerBlock - 1) / kBytesPerBlock;
    return layout.bitmap_sector +
           base::Sector{std::min(layout.bitmap_sectors, blocks * meta::kSectorsPerBlock)};
}

Result<void> initialize_activity_log(MetaDevice& device, const meta::Layout& layout) {
    std::vector<std::uint8_t> log(layout.al_sectors * base::kSectorBytes);
    for (std::size_t at = 0; at < log.size(); at += meta::kBlockBytes) {
        meta::initialized_block(base::Bytes(log).subspan(at, meta::kBlockBytes));
    }
    if (Result<void> written = device.write(to_bytes(layout.al_sector), log); !written) {
        return written;
    }
    return device.flush();
}

bool confirm(const CommandLine& line, const std::string& question) {
    std::fflush(stdout);
    std::fprintf(stderr, "\n%s\n", question.c_str());
    if (line.force) {
        std::fprintf(stderr, "*** confirmation forced via --force option ***\n");
        return true;
    }
    if (::isatty(STDIN_FILENO) == 0) {
        std::fprintf(stderr, "stdin not a TTY, not waiting for confirmation\n");
        return false;
    }
    std::fprintf(stderr, "[need to type 'yes' to confirm] ");
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "yes";
}

int report(const Error& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", error.text.c_str());
    switch (error.code) {
        case ErrorCode::Busy:
        case ErrorCode::Permission:
            return kUsage;
        case ErrorCode::Io:
        case ErrorCode::TooSmall:
        case ErrorCode::TooBig:
            return kBadValue;
        default:
            return kFailed;
    }
}

static std::optional<std::uint32_t> slot_of(const meta::Placement& placement) {
    return placement.kind == meta::Placement::Kind::Indexed ? std::optional(placement.slot)
                                                            : std::nullopt;
}

int with_device(const CommandLine& line, Access access, const UseDevice& use) {
    Result<MetaDevice> device =
        MetaDevice::open({.path = line.device,
                          .access = access,
                          .allow_plain_file = line.force,
                          .verbose = line.verbose,
                          .slot = slot_of(line.placement),
                          .open_anyway = [&line] {
                              return confirm(line, "Exclusive open failed. Do it anyways?");
                          }});
    if (device) {
        return use(*device);
    }
    if (device.error().code == ErrorCode::Busy && line.minor != "-") {
        std::fprintf(stderr, "Device '%s' is configured!\n", line.minor.c_str());
    }
    report(device.error());
    return kUsage;
}

int with_metadata(const CommandLine& line, Access access, const UseMetadata& use) {
    return with_device(line, access, [&line, &use](MetaDevice& device) {
        const Result<FoundMetadata> found = find_metadata(line, device);
        if (found) {
            return use(device, *found);
        }
        const int code = report(found.error());
        if (code == kFailed) {
            std::fprintf(stderr, "No valid meta data found\n");
        }
        return code;
    });
}

}  // namespace drbdmeta
