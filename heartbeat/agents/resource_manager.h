// The sub-commands of the original's ResourceManager, for the administrator's own scripts and
// hands. The daemon does not use it. Heartbeat specification, 4.2, 4.4 and 4.5.
//
//   listkeys NODE-REGEX   the keys of the groups at home on matching nodes
//   allkeys, ourkeys, otherkeys
//   status RESOURCE       exit 0: it runs here, 3: it does not
//   takegroup KEY         starts what does not run, left to right; a failure releases the group
//   givegroup KEY         stops right to left, each resource up to eleven times
//   statgroup KEY         NONE, SOME or ALL
//   verifyallidle         exit: how many groups' first resources run
//
// Unlike the original it neither starts an hb_standby nor resets the machine after a failure: it
// says what failed and exits 1, for a person is there to decide.
#pragma once

#include "base/result.h"
#include "config/ha/haresources.h"
#include "heartbeat/agents/agent_runner.h"

#include <iosfwd>
#include <string>
#include <vector>

namespace hb {

class ResourceManager {
public:
    struct Setup {
        config::Haresources resources;
        AgentPaths paths;
        std::string node;
        std::vector<std::string> variables;  // the agents' environment
        unsigned stop_retries = 10;
    };

    ResourceManager(Setup setup, std::ostream& out, std::ostream& err);

    // The exit code; 1 for words that are no sub-command.
    int run(const std::vector<std::string>& words);

private:
    int take_group(const config::ResourceGroup& group);
    int give_group(const config::ResourceGroup& group);
    int stat_group(const config::ResourceGroup& group);
    int verify_all_idle();
    int list(const std::string& pattern, bool matching);
    bool stop(const config::ResourceWord& word);
    bool runs(const config::ResourceWord& word);
    AgentResult call(const config::ResourceWord& word, Operation operation);

    Setup setup_;
    std::ostream& out_;
    std::ostream& err_;
};

// A word as haresources has it; a bare IPv4 address is IPaddr.
base::Result<config::ResourceWord> parse_resource(const std::string& text);

}  // namespace hb
