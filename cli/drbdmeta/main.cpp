// drbdmeta: reads and writes DRBD's metadata without a daemon. See docs/man/drbdmeta.8.
#include "cli/drbdmeta/command_line.h"
#include "cli/drbdmeta/commands.h"
#include "cli/drbdmeta/exit_code.h"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    try {
        const auto line = drbdmeta::parse_command_line(argc, argv);
        if (!line) {
            std::fprintf(stderr, "%s\n", line.error().text.c_str());
            return line.error().code == base::ErrorCode::Invalid ? drbdmeta::kBadValue
                                                                 : drbdmeta::kUsage;
        }
        if (line->help) {
            std::fputs(drbdmeta::kHelp, stdout);
            return drbdmeta::kOk;
        }
        return drbdmeta::run_command(*line);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "drbdmeta: %s\n", error.what());
        return drbdmeta::kBadValue;
    }
}
