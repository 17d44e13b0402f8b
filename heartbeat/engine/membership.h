// The node table: who is alive, over which links, and who has died. A node is timed out by the
// deadtime that it announced itself. Heartbeat specification, sections 3.3 to 3.5.
#pragma once

#include "heartbeat/engine/node.h"
#include "heartbeat/engine/status.h"
#include "heartbeat/wire/message.h"

#include <string_view>
#include <vector>

namespace hb {

struct Core;

class Membership {
public:
    explicit Membership(Core& core) : core_(core) {}

    void start();
    void on_time();
    Time next() const;

    Node* find(std::string_view name);  // other members and ping nodes; null: unknown

    std::vector<Node>& nodes() { return nodes_; }

    const std::vector<Node>& nodes() const { return nodes_; }

    Node* partner();  // the other member; null if we are configured alone
    const Node* partner() const;
    bool partner_alive() const;
    int pings_alive() const;
    bool all_heard_or_dead() const;

    // From now on the announced deadtimes hold; until then it is initdead for all.
    void communication_is_up() { initial_ = false; }

    // A message that was accepted, or had come over another link before. The link works if the
    // message is new to it: what has come over it before may be a recording. 0: it has no number.
    void on_heard(Node& node, const std::string& medium, std::uint64_t sequence);
    // A status message that is not older than the last one.
    void on_status(Node& node, const wire::Message& message);
    // False: that question has been answered before, or was not asked in this life.
    bool on_ping_answer(Node& node, const wire::Message& message);
    void on_medium_down(const std::string& medium, const std::string& why);

private:
    Time limit_of(const Node& node) const;
    bool may_be_suspected(const Node& node) const;
    void check_node(Node& node);
    void check_links(Node& node);
    void declare_dead(Node& node, Time silence);
    void link_is_down(Node& node, Link& link);
    void note_interval(Node& node);
    void change_state(Node& node, NodeState state);

    Core& core_;
    std::vector<Node> nodes_;
    bool initial_ = true;
    Timer postponed_;  // we ourselves were late: what waits in the sockets is read first
};

}  // namespace hb
