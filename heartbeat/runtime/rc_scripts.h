// User-supplied scripts HA_DIR/rc.d/TYPE, one for a message type. Heartbeat specification 4.1. They
// run strictly one at a time. What the original does by its own scripts there (takeover and so on)
// is inside the engine: those names are never run.
#pragma once

#include "base/log.h"
#include "heartbeat/runtime/programs.h"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace hb {

class RcScripts {
public:
    // Looks at the directory once.
    RcScripts(const std::string& ha_dir, Programs& programs, base::LogSink& log);

    // Nothing happens if there is no script for the type.
    void run(const std::string& type, const std::map<std::string, std::string>& environment);

private:
    void run_next();

    static constexpr std::size_t kMaxWaiting = 64;

    const std::string ha_dir_;
    Programs& programs_;
    base::LogSink& log_;
    std::set<std::string> types_;
    std::deque<Program> waiting_;
    bool running_ = false;
};

// Lower case, as the scripts are named; empty if it cannot name a file of the directory.
std::string rc_script_name(std::string_view type);

}  // namespace hb
