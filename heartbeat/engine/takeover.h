// The way from "the partner is dead" to our agents: quorum, delay, a person's word, fencing, the
// cut of the replication, in this order, each only where it is configured. A partner that returns
// before the end stops it. Heartbeat specification, sections 3.4, 6.3 and 7.
#pragma once

#include "heartbeat/engine/node.h"

#include <string>
#include <vector>

namespace hb {

struct Core;

class Takeover {
public:
    explicit Takeover(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    void on_partner_dead(const Node& node);
    void on_partner_left();  // "shutdone": its resources are stopped
    // The goodbye of its earlier life is worth nothing any more.
    void on_partner_restarted();
    // True if a takeover was under consideration and is now off.
    // `same_life`: because the partner is heard, and has not restarted.
    bool cancel(const std::string& why, bool same_life = false);
    void on_communication_up();
    void on_fence_done(const FenceDone& done);
    void on_replication_cut(const ReplicationCut& done);
    void on_quorum();  // the answers of ping nodes have changed
    // A person's word. False if nothing waits for it.
    bool confirm();
    // Why a person's word about this node is none about the pending takeover; empty if it is.
    std::string wrong_node(const std::string& name) const;

    // This command is answered when the pending takeover has ended.
    void await(CommandId command) { waiting_.push_back(command); }

    void forget_refutation() { refuted_job_ = 0; }  // the partner restarts: by the reset, perhaps

    void partner_heard() { partner_is_off_ = false; }

    // The fencing device has confirmed it, and nothing has been heard of the partner since.
    bool partner_is_off() const { return partner_is_off_; }

    // Our agents have done what they could: for the partner's groups, and after them for our own.
    void on_foreign_taken(bool ok) { foreign_taken_ = ok; }

    void on_own_taken(bool ok);

    void on_given_up() { tell(false, "this node gives up what it holds"); }

    // Considered, but not begun.
    bool pending() const { return step_ != Step::none; }

    bool waits_for_person() const { return step_ == Step::manual; }

    std::string waiting_for() const;
    bool fencing_configured() const;
    // After its death: how long a partner that has lost its quorum gets to notice that and to stop
    // everything, or to reset itself, before we begin.
    Time quorum_grace() const;

private:
    enum class Step { none, communication, quorum, delay, manual, fencing, cut };

    Time watchdog_grace() const;
    void go_on();
    void look_at_quorum_again();
    void begin_delay();
    void begin_fencing();
    void begin_cut();
    void begin();
    void announce_fencing(std::string_view result);
    void announce_takeover(Time delay);
    void tell(bool ok, const std::string& how);
    bool shortens_delay() const;

    Core& core_;
    Step step_ = Step::none;
    bool left_ = false;  // it said goodbye: nothing to fear
    bool fenced_ = false;
    bool confirmed_ = false;
    bool delayed_ = false;
    bool quorate_ = false;
    Time decided_{};  // when the partner was declared dead
    JobId fence_job_ = 0;
    JobId refuted_job_ = 0;  // the node was heard while this reset of it was under way
    bool foreign_taken_ = true;
    bool partner_is_off_ = false;
    std::vector<CommandId> waiting_;
    Timer timer_;
};

}  // namespace hb
