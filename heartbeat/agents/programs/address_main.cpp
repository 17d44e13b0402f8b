// hb_address, installed under the names of the agents that it is.
#include "heartbeat/agents/address/address_agent.h"

#include <algorithm>
#include <cstdio>

namespace {

constexpr const char* kHelp =
    "usage: IPaddr|IPaddr2 ip[/mask[/interface[:label]][/broadcast]] [force|refuse] OPERATION\n"
    "       IPv6addr ip[/prefix[/interface]] [force|refuse] OPERATION\n"
    "       SendArp ip/interface OPERATION\n"
    "OPERATION is start, stop, status or monitor. The program is called by one of these names, or\n"
    "as `hb_address NAME ...`. It sets a service address and announces it to the link.\n"
    "  refuse   ask first whether another machine has the address, and then do not set it\n"
    "  force    set it whoever has it (the default)\n";

}  // namespace

int main(int argc, char** argv) {
    std::string name = argc > 0 ? argv[0] : "";
    name.erase(0, name.rfind('/') + 1);
    std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
    if (!words.empty() && (words[0] == "--help" || words[0] == "-h")) {
        std::fputs(kHelp, stdout);
        return 0;
    }
    if (name == "hb_address" && !words.empty()) {
        name = words.front();
        words.erase(words.begin());
    }
    return hb::run_address_agent(name, words);
}
