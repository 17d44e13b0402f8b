#include "cli/drbdmeta/commands.h"

#include "base/log.h"
#include "cli/drbdmeta/exit_code.h"
#include "cli/drbdmeta/session.h"
#include "meta/gi.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace drbdmeta {

using base::ErrorCode;
using base::Result;
using meta::Superblock;

namespace {

int print(const CommandLine& line, std::string (*text_of)(const Superblock&)) {
    return with_metadata(line, Access::Read, [text_of](MetaDevice&, const FoundMetadata& found) {
        std::fputs(text_of(found.superblock).c_str(), stdout);
        return std::fflush(stdout) == 0 ? kOk : kBadValue;
    });
}

int store(MetaDevice& device, const FoundMetadata& found, const Superblock& changed) {
    const Result<void> written = write_superblock(device, found.layout, changed);
    return written ? kOk : report(written.error());
}

int get_gi(const CommandLine& line) {
    return print(line, [](const Superblock& sb) { return meta::gi_line(sb) + "\n"; });
}

int show_gi(const CommandLine& line) {
    return print(line, meta::show_gi);
}

int dstate(const CommandLine& line) {
    return print(line,
                 [](const Superblock& sb) { return std::string(meta::disk_state(sb)) + "\n"; });
}

int read_dev_uuid(const CommandLine& line) {
    return print(line, [](const Superblock& sb) { return base::hex64(sb.device_uuid) + "\n"; });
}

int write_dev_uuid(const CommandLine& line) {
    const Result<std::uint64_t> uuid = meta::parse_hex64(line.arguments[0]);
    if (!uuid) {
        report(uuid.error());
        return kBadValue;
    }
    return with_metadata(
        line, Access::Write, [&](MetaDevice& device, const FoundMetadata& found) -> int {
            Superblock sb = found.superblock;
            sb.device_uuid = *uuid;
            return store(device, found, sb);
        });
}

int set_gi(const CommandLine& line) {
    return with_metadata(
        line, Access::Write, [&](MetaDevice& device, const FoundMetadata& found) -> int {
            const Result<Superblock> changed = meta::with_gi(found.superblock, line.arguments[0]);
            if (!changed) {
                report(changed.error());
                return kBadValue;
            }
            std::printf("previously %s\nset GI to  %s\n",
                        meta::gi_line(found.superblock).c_str(),
                        meta::gi_line(*changed).c_str());
            if (!confirm(line, "Write new GI to disk?")) {
                std::printf("Operation canceled.\n");
                return kOk;
            }
            return store(device, found, *changed);
        });
}

int outdate(const CommandLine& line) {
    return with_metadata(
        line, Access::Write, [](MetaDevice& device, const FoundMetadata& found) -> int {
            if (!found.superblock.has(meta::kMdConsistent)) {
                std::fprintf(stderr, "Device is inconsistent.\n");
                return kInconsistent;
            }
            Superblock sb = found.superblock;
            sb.flags &= ~std::uint32_t{meta::kMdWasUpToDate};
            return store(device, found, sb);
        });
}

int invalidate(const CommandLine& line) {
    return with_metadata(
        line, Access::Write, [](MetaDevice& device, const FoundMetadata& found) -> int {
            Superblock sb = found.superblock;
            sb.flags &= ~std::uint32_t{meta::kMdConsistent | meta::kMdWasUpToDate};
            sb.flags |= meta::kMdFullSync;
            return store(device, found, sb);
        });
}

// Wipes the block of any DRBD, also one that is damaged or of a version that we cannot read.
int wipe(const CommandLine& line, MetaDevice& device) {
    const Result<FoundMetadata> found = find_metadata(line, device);
    const ErrorCode code = found ? ErrorCode::Invalid : found.error().code;
    if (code == ErrorCode::NotFound) {
        std::fprintf(stderr, "There appears to be no drbd meta data to wipe out?\n");
        return kOk;
    }
    if (code != ErrorCode::Invalid && code != ErrorCode::Unsupported) {
        return report(found.error());
    }
    if (!confirm(line, "Do you really want to wipe out the DRBD meta data?")) {
        std::printf("Operation cancelled.\n");
        return kFailed;
    }
    std::printf("Wiping meta data...\n");
    const base::Sector at =
        base::sectors_rounding_down(meta::superblock_byte(line.placement, device.size_bytes()));
    const Result<void> done = clear(device, at, at + base::Sector{meta::kSectorsPerBlock});
    if (!done) {
        return report(done.error());
    }
    std::printf("DRBD meta data block successfully wiped out.\n");
    return kOk;
}

int wipe_md(const CommandLine& line) {
    return with_device(
        line, Access::Write, [&line](MetaDevice& device) { return wipe(line, device); });
}

struct Command {
    const char* name;
    std::size_t arguments;
    int (*run)(const CommandLine&);
};

constexpr std::array kCommands = {Command{"create-md", 0, create_md},
                                  Command{"apply-al", 0, apply_al},
                                  Command{"check-resize", 0, check_resize},
                                  Command{"dump-md", 0, dump_md},
                                  Command{"restore-md", 1, restore_md},
                                  Command{"verify-dump", 1, verify_dump},
                                  Command{"get-gi", 0, get_gi},
                                  Command{"show-gi", 0, show_gi},
                                  Command{"set-gi", 1, set_gi},
                                  Command{"dstate", 0, dstate},
                                  Command{"outdate", 0, outdate},
                                  Command{"invalidate", 0, invalidate},
                                  Command{"read-dev-uuid", 0, read_dev_uuid},
                                  Command{"write-dev-uuid", 1, write_dev_uuid},
                                  Command{"wipe-md", 0, wipe_md}};

}  // namespace

int run_command(const CommandLine& line) {
    const auto found =
        std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& command) {
            return line.command == command.name;
        });
    if (found == kCommands.end()) {
        const bool known = line.command == "forget-peer";
        std::fprintf(stderr,
                     known ? "'%s' is not supported.\n" : "Unknown command '%s'.\n",
                     line.command.c_str());
        return kUsage;
    }
    if (line.arguments.size() < found->arguments) {
        std::fprintf(stderr, "Required Argument missing\n");
        return kBadValue;
    }
    // Of DRBD 9 it says for how many peers.
    const bool max_peers = line.format == "v09" && line.command == "create-md";
    if (line.arguments.size() > found->arguments + (max_peers ? 1 : 0)) {
        std::fprintf(stderr, "Ignoring additional arguments\n");
    }
    return found->run(line);
}

}  // namespace drbdmeta
