// What the failover daemon asks of the replication below it, through drbdadm.
#pragma once

#include "config/ha/haresources.h"
#include "heartbeat/runtime/programs.h"

#include <functional>
#include <string>
#include <vector>

namespace hb {

// The DRBD resources that haresources puts to use: arguments of its drbddisk words, each once;
// "all" if one of them names none.
std::vector<std::string> replicated_resources(const config::Haresources& resources);

class Storage {
public:
    explicit Storage(Programs& programs) : programs_(programs) {}

    // `drbdadm peer-suspect` for each. What comes of it shows when it is cut.
    void suspect(const std::vector<std::string>& resources);

    // `drbdadm peer-dead` for each, side by side: the connection to the dead partner is dropped now
    // and not when its time-outs pass. `done` is never called from inside.
    void cut(const std::vector<std::string>& resources,
             std::function<void(bool ok, const std::string& text)> done);

    // The exit code of `drbdadm outdate`; 20 if it did not end by itself.
    void outdate(const std::string& resource, std::function<void(int exit_code)> done);

private:
    Programs& programs_;
};

}  // namespace hb
