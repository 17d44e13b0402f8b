// The commands of drbdmeta. Each returns the exit code. Metadata specification, sections 6 and 10
// to 12.
#pragma once

#include "cli/drbdmeta/command_line.h"
#include "cli/drbdmeta/session.h"

namespace drbdmeta {

// Runs the command that the line names.
int run_command(const CommandLine& line);

int create_md(const CommandLine& line);
int apply_al(const CommandLine& line);
int apply_to(MetaDevice& device, const FoundMetadata& found);
int check_resize(const CommandLine& line);
int dump_md(const CommandLine& line);
int restore_md(const CommandLine& line);
int verify_dump(const CommandLine& line);

}  // namespace drbdmeta
