// auto_failback legacy: groups are asked for one by one with ip-request, the holder gives them up.
// A reply says what is true: nothing is said before the last stop, and every request gets one.
// Heartbeat specification, sections 3.6 (legacy) and 4.1.
#pragma once

#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <map>
#include <string>

namespace hb {

struct Core;

class Legacy {
public:
    explicit Legacy(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    void on_communication_up();
    void on_request(const Node& from, const wire::Message& message);
    void on_response(const wire::Message& message);
    void on_partner_gone();
    // The takeover of all is off: ours are asked for. `in_full_swing`: its life began unheard, and
    // it has taken over what is at home there.
    void on_partner_returned(bool in_full_swing);
    void on_replaced();  // haresources was read anew
    // It may run, or still stop, what we have asked it for.
    bool partner_may_hold() const;
    // Our groups that do not run here are asked for, or started if we are alone.
    void want_ours();

private:
    void leave_what_runs_at_home();
    void ask(const std::string& key);
    void respond(std::string_view key, bool owned);
    void settle();

    Core& core_;
    bool up_ = false;
    // By key, not by number: haresources may be read anew.
    std::map<std::string, Time> asked_;  // when to ask again
    std::map<std::string, bool> owed_;   // the partner waits for a reply; true: we have held it
};

}  // namespace hb
