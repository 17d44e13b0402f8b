#include "cli/drbdmeta/convert_md.h"

#include "base/log.h"
#include "cli/drbdmeta/exit_code.h"
#include "cli/drbdmeta/session.h"
#include "meta/superblock_v07.h"
#include "meta/superblock_v09.h"

#include <cstdio>
#include <string>
#include <vector>

namespace drbdmeta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

using Block = std::vector<std::uint8_t>;

struct Plan {
    meta::Superblock superblock;  // as v08 has it
    std::vector<Block> writes;    // one after the other, each flushed
    std::string lost;             // what the other version has no room for
};

template <typename Superblock>
Block encoded(const Superblock& superblock) {
    Block block(meta::kBlockBytes);
    meta::encode(superblock, block);
    return block;
}

Result<Plan> from_v07(base::ConstBytes block) {
    const Result<meta::Superblock> sb = meta::superblock_of_v07(block);
    if (!sb) {
        return sb.error();
    }
    // All of v07 lies in the first sector.
    return Plan{*sb, {encoded(*sb)}, {}};
}

Result<Plan> from_v09(base::ConstBytes block) {
    const Result<meta::Superblock> sb = meta::superblock_of_v09(block);
    if (!sb) {
        return sb.error();
    }
    return Plan{*sb,
                meta::conversion_writes(meta::Conversion::ToV08, encoded(*sb), block),
                meta::lost_in_v08(meta::decode_v09(block).value())};
}

Result<Plan> to_v09(const CommandLine& line, base::ConstBytes block) {
    const Result<meta::Superblock> sb = meta::decode_superblock(block);
    if (!sb) {
        return sb.error();
    }
    if (!sb->is_clean()) {
        return Error{ErrorCode::Invalid,
                     "v08 metadata whose activity log has not been applied: do that with "
                     "'drbdmeta ... v08 ... apply-al' first"};
    }
    meta::SuperblockV09 nine = meta::as_v09(*sb);
    if (line.bio_size_given) {
        nine.la_peer_max_bio_size = line.peer_max_bio_size;
    }
    return Plan{*sb,
                meta::conversion_writes(meta::Conversion::ToV09, block, encoded(nine)),
                meta::lost_in_v09(*sb)};
}

struct Foreign {
    const char* version = nullptr;
    Result<Plan> plan;
};

std::optional<Foreign> find_foreign(const CommandLine& line, const MetaDevice& device) {
    if (!meta::layout_for(line.placement, device.size_bytes())) {
        return std::nullopt;
    }
    const auto block =
        device.read(meta::superblock_byte(line.placement, device.size_bytes()), meta::kBlockBytes);
    if (!block) {
        return std::nullopt;
    }
    const std::uint32_t magic = base::get_be32(*block, 0x3C);
    const bool is_v08 = magic == meta::kMagicV08 || magic == meta::kMagicV08Unclean;
    if (line.format == "v09" && is_v08) {
        return Foreign{"v08", to_v09(line, *block)};
    }
    if (line.format == "v08" && magic == meta::kMagicV09) {
        return Foreign{"v09", from_v09(*block)};
    }
    if (line.format == "v08" && meta::is_v07(*block)) {
        return Foreign{"v07", from_v07(*block)};
    }
    return std::nullopt;
}

void print_what_is_there(const CommandLine& line,
                         const MetaDevice& device,
                         const char* version,
                         const meta::Layout& layout) {
    if (line.placement.is_external()) {
        return;
    }
    std::fprintf(stderr,
                 "You want me to create a %s style flexible-size internal meta data block.\n"
                 "There appears to be a %s flexible-size internal meta data block\n"
                 "already in place on %s at byte offset %llu\n",
                 line.format.c_str(),
                 version,
                 device.path().c_str(),
                 base::ull(to_bytes(layout.superblock_sector)));
}

int write_plan(MetaDevice& device, const meta::Layout& layout, const Plan& plan) {
    std::printf("Writing meta data...\n");
    std::fflush(stdout);
    for (const Block& block : plan.writes) {
        if (const Result<void> done = device.write(to_bytes(layout.superblock_sector), block);
            !done) {
            return report(done.error());
        }
        if (const Result<void> done = device.flush(); !done) {
            return report(done.error());
        }
    }
    std::printf("New drbd meta data block successfully created.\n");
    return kOk;
}

// What would be lost is never left to a mere question.
bool may_lose(const CommandLine& line, const std::string& lost) {
    if (lost.empty()) {
        return true;
    }
    std::fprintf(stderr, "%s has no room for all of it: %s.\n", line.format.c_str(), lost.c_str());
    if (line.force) {
        std::fprintf(stderr, "It is left behind.\n");
        return true;
    }
    std::fprintf(stderr, "Operation refused; --force leaves it behind.\n");
    return false;
}

}  // namespace

Converted convert_md(const CommandLine& line, MetaDevice& device) {
    const std::optional<Foreign> foreign = find_foreign(line, device);
    if (!foreign) {
        return {};
    }
    const Result<Plan>& plan = foreign->plan;
    if (!plan) {
        return {.code = report(plan.error())};
    }
    const auto layout = meta::layout_of(plan->superblock, line.placement, device.size_bytes());
    if (!layout) {
        return {.code = report(layout.error())};
    }
    print_what_is_there(line, device, foreign->version, *layout);
    const std::string valid = base::format("Valid %s meta-data found, ", foreign->version);
    if (!may_lose(line, plan->lost)) {
        return {.code = kFailed};
    }
    if (confirm(line, valid + "convert to " + line.format + "?")) {
        if (line.format == "v09" && line.arguments[0] != "1") {
            std::printf("Warning: setting max_peers to 1 instead of %s\n\n",
                        line.arguments[0].c_str());
        }
        return {.code = write_plan(device, *layout, *plan)};
    }
    if (!confirm(line,
                 base::format("So you want me to replace the %s meta-data\n"
                              "with newly initialized %s meta-data?",
                              foreign->version,
                              line.format.c_str()))) {
        std::printf("Operation cancelled.\n");
        return {.code = kFailed};
    }
    return {.code = std::nullopt, .replace = true};
}

}  // namespace drbdmeta
