// The way from "the partner is dead" to our agents: quorum, delay, a person's word, fencing, the
// cut of the replication, in this order, each only where it is configured. A partner that returns
// before the end stops it. Heartbeat specification, sections 3.4, 6.3 and 7.
#pragma once

#include "heartbeat/engine/node.h"

#include <string>

namespace hb {

struct Core;

class Takeover {
public:
    explicit Takeover(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    void on_partner_dead(const Node& node);
    void on_partner_left();  // "shutdone": its resources are stopped
    // True if a takeover was under consideration and is now off.
    bool cancel(const std::string& why);
    void on_communication_up();
    void on_fence_done(const FenceDone& done);
    void on_replication_cut(const ReplicationCut& done);
    void on_quorum();  // the answers of ping nodes have changed
    // A person's word. False if nothing waits for it.
    bool confirm();

    // Considered, but not begun.
    bool pending() const { return step_ != Step::none; }

    bool waits_for_person() const { return step_ == Step::manual; }

    std::string waiting_for() const;
    bool fencing_configured() const;
    // How long a partner that has lost its quorum gets to stop everything before we begin.
    Time quorum_grace() const;

private:
    enum class Step { none, communication, quorum, delay, manual, fencing, cut };

    void go_on();
    void begin_delay();
    void begin_fencing();
    void begin_cut();
    void begin();
    void announce_fencing(std::string_view result);

    Core& core_;
    Step step_ = Step::none;
    bool left_ = false;  // it said goodbye: nothing to fear
    bool fenced_ = false;
    bool confirmed_ = false;
    bool delayed_ = false;
    bool quorate_ = false;
    Time decided_{};  // when the partner was declared dead
    JobId fence_job_ = 0;
    Timer timer_;
};

}  // namespace hb
