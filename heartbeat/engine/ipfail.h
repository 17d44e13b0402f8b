// ipfail, built in: of two live nodes the one that reaches more ping nodes runs the resources. In
// the words of the original's client, so that a real partner takes part. Heartbeat spec., 3.10.
#pragma once

#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <string_view>

namespace hb {

struct Core;

class Ipfail {
public:
    explicit Ipfail(Core& core) : core_(core) {}

    void start();
    void on_time();
    Time next() const;

    // Asked for by a respawn line, and possible: two nodes, auto_failback on or off.
    bool enabled() const { return enabled_; }

    void on_communication_up();

    void on_link_down() { compare(); }

    void on_ping_up() { compare(); }

    void on_partner_joined() { compare(); }

    void on_partner_stable();
    void on_partner_gone();
    void on_num_ping_nodes(const wire::Message& message);

    void on_you_are_dead() { plan_give_up(); }

    void on_abort_giveup();

private:
    void compare();  // tell the partner how many ping nodes answer here
    void say(wire::Message message);
    void plan_give_up();
    void give_up();

    Core& core_;
    bool enabled_ = false;
    bool compare_asked_ = false;  // several links may fail at one moment: one message
    bool wait_for_partner_ = false;
    Timer give_up_;
    Timer compare_again_;
};

}  // namespace hb
