// drbdmeta [--force] [-v] {MINOR|-} v08 DEVICE INDEX COMMAND [ARGUMENT]: options and operands
// may be mixed. Configuration and command specification, section 12.
#pragma once

#include "base/result.h"
#include "meta/geometry.h"

#include <cstdint>
#include <string>
#include <vector>

namespace drbdmeta {

struct CommandLine {
    bool force = false;
    bool ignore_sanity_checks = false;
    bool verbose = false;
    bool help = false;
    std::string minor;   // for messages; "-": none
    std::string format;  // v07 (only read), v08 or v09
    std::string device;  // block device or, with --force, plain file
    meta::Placement placement;
    std::string command;
    std::vector<std::string> arguments;
    // create-md only
    bool striping_given = false;
    bool bio_size_given = false;
    std::uint32_t al_stripes = 1;
    std::uint32_t al_stripe_size_4k = 8;
    std::uint32_t peer_max_bio_size = 0;  // bytes

    std::string as_typed;  // for the header of a dump
};

// An error is kUsage unless it is the value of an option that is wrong: ErrorCode::Invalid then,
// for kBadValue.
base::Result<CommandLine> parse_command_line(int argc, char** argv);

extern const char* const kHelp;

}  // namespace drbdmeta
