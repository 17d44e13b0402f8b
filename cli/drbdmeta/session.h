// What the commands share: the command line, questions to the operator, and finding the metadata.
#pragma once

#include "base/result.h"
#include "base/units.h"
#include "cli/drbdmeta/command_line.h"
#include "cli/drbdmeta/device.h"
#include "meta/geometry.h"
#include "meta/superblock.h"
#include "meta/superblock_v09.h"

#include <functional>
#include <string>

namespace drbdmeta {

struct FoundMetadata {
    meta::Superblock superblock;
    meta::Layout layout;
};

// Metadata where the command line says that it is, as v08 has them. Unsupported: of another format
// than it says.
base::Result<FoundMetadata> find_metadata(const CommandLine& line, const MetaDevice& device);

struct FoundV09 {
    meta::SuperblockV09 superblock;
    meta::Layout layout;
};

// Those of DRBD 9, as they are; clean or not.
base::Result<FoundV09> find_v09(const CommandLine& line, const MetaDevice& device);

// Writes and flushes the superblock.
base::Result<void> write_superblock(MetaDevice& device,
                                    const meta::Layout& layout,
                                    const meta::Superblock& superblock);
base::Result<void> write_superblock(MetaDevice& device,
                                    const meta::Layout& layout,
                                    const meta::SuperblockV09& superblock);

// Zeroes and flushes [begin, end).
base::Result<void> clear(MetaDevice& device, base::Sector begin, base::Sector end);

// The end of what create-md clears of the bitmap: as much as a device of this size would need. What
// lies beyond is written before it is read, when the size of the data is known.
base::Sector bitmap_to_clear(const MetaDevice& device, const meta::Layout& layout);

// Fills the activity log's ring with initialized blocks and flushes.
base::Result<void> initialize_activity_log(MetaDevice& device, const meta::Layout& layout);

// Only a terminal is asked: a script must say --force.
bool confirm(const CommandLine& line, const std::string& question);

// Prints the error to standard error and gives the exit code that belongs to it.
int report(const base::Error& error);

// Each opens the device, finds what its name says and hands it to `use`, which gives the exit code;
// reports what goes wrong before that.
using UseDevice = std::function<int(MetaDevice& device)>;
using UseMetadata = std::function<int(MetaDevice& device, const FoundMetadata& found)>;
int with_device(const CommandLine& line, Access access, const UseDevice& use);
int with_metadata(const CommandLine& line, Access access, const UseMetadata& use);

}  // namespace drbdmeta
