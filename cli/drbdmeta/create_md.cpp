#include "base/log.h"
#include "cli/drbdmeta/commands.h"
#include "cli/drbdmeta/content_probe.h"
#include "cli/drbdmeta/convert_md.h"
#include "cli/drbdmeta/exit_code.h"
#include "cli/drbdmeta/session.h"
#include "meta/gi.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace drbdmeta {

using base::ErrorCode;
using base::Result;

namespace {

constexpr unsigned long kMaxPeers = 31;

bool is_v09(const CommandLine& line) {
    return line.format == "v09";
}

unsigned long long shown(std::uint64_t value) {
    return value;
}

// kOk: go on. Metadata that is there already is only overwritten when the operator says so.
int check_existing_metadata(const CommandLine& line, const MetaDevice& device) {
    const Result<FoundMetadata> found = find_metadata(line, device);
    if (found && line.placement.is_external()) {
        std::fprintf(stderr, "\nValid meta data seems to be in place.\n");
        if (!confirm(line, "Do you really want to overwrite?")) {
            std::printf("Operation cancelled.\n");
            return kFailed;
        }
        return kOk;
    }
    if (found) {
        std::fprintf(stderr,
                     "You want me to create a %s style flexible-size internal meta data block.\n"
                     "There appears to be a %s flexible-size internal meta data block\n"
                     "already in place on %s at byte offset %llu\n",
                     line.format.c_str(),
                     line.format.c_str(),
                     device.path().c_str(),
                     shown(to_bytes(found->layout.superblock_sector)));
        if (!confirm(line, "Do you really want to overwrite the existing meta-data?")) {
            std::printf("Operation cancelled.\n");
            return kFailed;
        }
        return kOk;
    }
    switch (found.error().code) {
        case ErrorCode::NotFound:
        case ErrorCode::Invalid:
            return kOk;
        case ErrorCode::Unsupported:
            std::fprintf(stderr,
                         "%s\nIt is not converted here, and not overwritten: use wipe-md first.\n",
                         found.error().text.c_str());
            return kFailed;
        default:
            return report(found.error());
    }
}

void print_content(const Content& content, const meta::Layout& layout) {
    std::printf("md_offset %llu\nal_offset %llu\nbm_offset %llu\n\nFound %s\n",
                shown(to_bytes(layout.superblock_sector)),
                shown(to_bytes(layout.al_sector)),
                shown(to_bytes(layout.bitmap_sector)),
                content.name.c_str());
    if (content.size_kib) {
        std::printf("%12llu kB data area apparently used\n", shown(*content.size_kib));
    }
    if (content.recognised) {
        std::printf("%12llu kB left usable by current configuration\n",
                    shown(layout.usable_sectors / 2));
    }
    std::printf("\n");
}

// The metadata of the first slot is no reason to leave the others alone.
bool has_slots(const CommandLine& line, base::ConstBytes start) {
    if (line.placement.kind != meta::Placement::Kind::Indexed) {
        return false;
    }
    const auto first = meta::decode_superblock(start.first(meta::kBlockBytes));
    return first && first->md_size_sectors == meta::kSlotBytes / base::kSectorBytes;
}

int refuse(const char* why) {
    std::printf("%sOperation refused.\n\n", why);
    return kWouldDestroy;
}

// Metadata at the end of a filesystem that fills the device would cut it off, and metadata of its
// own on the whole of a device overwrites it: never a mere question.
int check_existing_data(const CommandLine& line,
                        const MetaDevice& device,
                        const meta::Layout& layout) {
    const auto start = device.read(0, kProbeBytes);
    if (!start) {
        return report(start.error());
    }
    const std::optional<Content> content = probe_content(*start);
    if (!content) {
        return kOk;
    }
    if (has_slots(line, *start)) {
        return kOk;
    }
    print_content(*content, layout);
    if (line.placement.is_external() && content->recognised && !line.ignore_sanity_checks) {
        return refuse(
            "This would corrupt existing data.\n"
            "If you want me to do this, you need to zero out the first part\n"
            "of the device (destroy the content).\n"
            "You should be very sure that you mean it.\n");
    }
    const bool cut_off = content->recognised && !line.placement.is_external() &&
                         (!content->size_kib || *content->size_kib > layout.usable_sectors / 2);
    if (cut_off && !line.ignore_sanity_checks) {
        return refuse(
            "Device size would be truncated, which\n"
            "would corrupt data and result in\n"
            "'access beyond end of device' errors.\n"
            "Shrink the filesystem first, or zero out the start of the device.\n");
    }
    std::printf(content->recognised && !cut_off && !line.placement.is_external()
                    ? "The new meta data would lie behind it, but this is only a guess.\n"
                    : " ==> This might destroy existing data! <==\n");
    if (!confirm(line, "Do you want to proceed?")) {
        std::printf("Operation canceled.\n");
        return kFailed;
    }
    return kOk;
}

// The superblock comes last: metadata is there only when it is complete.
Result<void> write_metadata(const CommandLine& line,
                            MetaDevice& device,
                            const meta::Layout& layout) {
    std::printf("initializing activity log\n");
    std::fflush(stdout);
    if (Result<void> done = initialize_activity_log(device, layout); !done) {
        return done;
    }
    const base::Sector bitmap_end = bitmap_to_clear(device, layout);
    std::fprintf(stderr,
                 "initializing bitmap (%s) to all zero\n",
                 meta::pretty_size((bitmap_end - layout.bitmap_sector).value / 2).c_str());
    if (Result<void> done = clear(device, layout.bitmap_sector, bitmap_end); !done) {
        return done;
    }
    std::printf("Writing meta data...\n");
    meta::Superblock sb = meta::fresh_superblock(layout, line.al_stripes, line.al_stripe_size_4k);
    sb.la_peer_max_bio_size = line.peer_max_bio_size;
    return is_v09(line) ? write_superblock(device, layout, meta::as_v09(sb))
                        : write_superblock(device, layout, sb);
}

int create_on(const CommandLine& line, MetaDevice& device) {
    const auto layout = meta::layout_for(
        line.placement, device.size_bytes(), line.al_stripes, line.al_stripe_size_4k);
    if (!layout) {
        return report(layout.error());
    }
    const Converted converted = convert_md(line, device);
    if (converted.code) {
        return *converted.code;
    }
    if (const int code = converted.replace ? int{kOk} : check_existing_metadata(line, device);
        code != kOk) {
        return code;
    }
    if (is_v09(line) && line.arguments[0] != "1") {
        std::fprintf(
            stderr, "v09 for %s peers is not supported: only for one\n", line.arguments[0].c_str());
        return kUsage;
    }
    if (const int code = check_existing_data(line, device, *layout); code != kOk) {
        return code;
    }
    if (const Result<void> done = write_metadata(line, device, *layout); !done) {
        return report(done.error());
    }
    std::printf("New drbd meta data block successfully created.\n");
    return kOk;
}

}  // namespace

// Of DRBD 9: how many peers the bitmap has room for.
static int check_max_peers(const CommandLine& line) {
    if (line.arguments.empty()) {
        std::fprintf(stderr,
                     "USAGE: drbdmeta MINOR v09 ... create-md MAX_PEERS\n\n"
                     "  MAX_PEERS argument missing\n");
        return kUsage;
    }
    const std::string& text = line.arguments[0];
    const bool number =
        !text.empty() && text.size() <= 2 && text.find_first_not_of("0123456789") == text.npos;
    if (!number || std::stoul(text) < 1 || std::stoul(text) > kMaxPeers) {
        std::fprintf(stderr, "MAX_PEERS argument not in allowed range 1 .. %lu.\n", kMaxPeers);
        return kUsage;
    }
    return kOk;
}

int create_md(const CommandLine& line) {
    if (const int code = is_v09(line) ? check_max_peers(line) : int{kOk}; code != kOk) {
        return code;
    }
    if (const auto blocks = meta::al_blocks(line.al_stripes, line.al_stripe_size_4k); !blocks) {
        report(blocks.error());
        return kBadValue;
    }
    return with_device(
        line, Access::Write, [&line](MetaDevice& device) { return create_on(line, device); });
}

}  // namespace drbdmeta
