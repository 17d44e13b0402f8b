// dopd, built in: outdates the partner's copy of a DRBD resource over the heartbeat links while
// only the replication link is gone. Heartbeat specification, section 6.5.
#pragma once

#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <map>
#include <string>

namespace hb {

struct Core;

class Outdating {
public:
    explicit Outdating(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    void on_request(const OutdateRequest& request);  // of our own replication
    void on_start_outdate(const Node& from, const wire::Message& message);
    void on_done(const OutdateDone& done);
    void on_outdate_rc(const wire::Message& message);
    void on_partner_gone();
    void on_partner_restarted();

private:
    struct Pending {
        std::uint64_t id = 0;
        Time until{};
        bool asked = false;
    };

    void say(wire::Message message);
    void ask(const std::string& resource);
    static bool awaited(const Node& partner);

    Core& core_;
    std::map<std::string, Pending> pending_;  // asked by us, by resource
    std::map<JobId, std::string> answering_;  // asked by the partner
};

}  // namespace hb
