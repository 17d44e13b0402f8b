#include "cli/drbdadm/boot.h"

#include "cli/common/outcome.h"
#include "cli/drbdadm/actions.h"

#include <algorithm>
#include <cstdio>

namespace drbdadm {

int adjust_with_progress(Context& context, const std::vector<Target>& targets) {
    const bool quiet = context.line.dry_run;
    std::string names;
    int worst = 0;
    for (const Target& target : targets) {
        const int exit = adjust(context, target);
        names += " " + target.resource->name +
                 (exit == 0 ? "" : ":failed(adjust:" + std::to_string(exit) + ")");
        worst = std::max(worst, exit);
        if (exit >= cli::kExitUsage) {
            break;
        }
    }
    if (!quiet) {
        std::printf("[\n    adjust disk:%s\n     adjust net:%s\n]\n", names.c_str(), names.c_str());
    }
    return worst;
}

int wait_con_int(Context& context) {
    context.line.operands = {"all"};
    const base::Result<std::vector<Target>> targets = find_targets(context, Scope::Volume);
    if (!targets) {
        return 0;  // nothing to wait for
    }
    context.line.command = "wait-connect";
    for (const Target& target : *targets) {
        if (!context.line.dry_run) {
            std::fprintf(stderr, "waiting for the peer of '%s'\n", target.resource->name.c_str());
        }
        if (wait_connect(context, target) >= cli::kExitUsage) {
            break;
        }
    }
    return 0;
}

}  // namespace drbdadm
