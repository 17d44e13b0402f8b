// The agent Filesystem.
#include "heartbeat/agents/filesystem/filesystem_agent.h"

#include <algorithm>
#include <cstdio>

namespace {

constexpr const char* kHelp =
    "usage: Filesystem device directory [type [options]] start|stop|status|monitor\n"
    "Mounts a file system, or unmounts it and ends whoever uses it. `device` is a path, -Llabel,\n"
    "-Uuuid or host:/directory; `options` are those of mount -o.\n";

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
    if (!words.empty() && (words[0] == "--help" || words[0] == "-h")) {
        std::fputs(kHelp, stdout);
        return 0;
    }
    return hb::run_filesystem_agent(words);
}
