// create-md on metadata of another version: they are converted in place, bitmap and activity log
// stay where they are. v07 and v09 become v08, v08 becomes v09. Metadata specification, sections 15
// and 21.
#pragma once

#include "cli/drbdmeta/command_line.h"
#include "cli/drbdmeta/device.h"

#include <optional>

namespace drbdmeta {

struct Converted {
    std::optional<int> code;  // the exit code; nothing: create new metadata
    bool replace = false;     // in place of those of another version: the operator has said so
};

Converted convert_md(const CommandLine& line, MetaDevice& device);

}  // namespace drbdmeta
