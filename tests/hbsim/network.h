// The heartbeat links between the two nodes, and the ping nodes. A link may lose, delay (and so
// reorder), duplicate, and be cut in one direction or both. A serial line is slow and keeps the
// order; of a disk the other reads the latest messages now and then. An adversary on a link sees
// everything and may put anything on it, but has no key.
#pragma once

#include "tests/hbsim/world.h"

#include <array>
#include <deque>

namespace hbsim {

enum class Medium : std::uint8_t { network, serial, disk };

struct Link {
    std::string name;
    Medium medium = Medium::network;
    std::array<bool, 2> cut{};  // by sender
    double loss = 0;
    double duplicate = 0;
    Time delay_min{0};
    Time delay_max{1};

    void repair() { *this = {.name = name, .medium = medium}; }
};

inline constexpr const char* kSerialLine = "/dev/ttyS0";
inline constexpr const char* kSharedDisk = "/dev/shared";

class Network {
public:
    // Bytes that arrive at a node over a medium.
    using Sink = std::function<void(Node to, const std::string& medium, const std::string& bytes)>;

    Network(World& world, std::size_t links, Sink sink);

    // One more link. `read_every`: how often the nodes look at a disk.
    void add(Medium medium, Time read_every);

    std::vector<Link>& links() { return links_; }

    void send(Node from, const std::string& datagram);  // to all links

    // An echo request with these data; comes back as from the medium of the ping node's name.
    void ping(Node from, const std::string& ping_node, const std::string& data);

    void cut(std::size_t link, bool from_a = true, bool from_b = true);
    void cut_all();
    void heal();  // all links and ping nodes, without loss and delay

    bool any_path(Node from) const;  // not cut, in that direction

    bool pings_reachable(Node node) const { return pings_[index(node)]; }

    void set_pings_reachable(Node node, bool reachable);

    // The adversary puts bytes on a link, towards `to`.
    void inject(std::size_t link, Node to, const std::string& bytes);

    // What the adversary has recorded, oldest first.
    const std::deque<std::string>& recorded() const { return recorded_; }

private:
    void transmit(const Link& link, Node from, const std::string& datagram);
    void write_to_disk(Node from, const std::string& datagram);
    void read_disk(Node from);

    World& world_;
    Sink sink_;
    std::vector<Link> links_;
    std::array<bool, 2> pings_{true, true};
    std::deque<std::string> recorded_;
    std::array<Time, 2> serial_busy_until_{};            // by sender
    std::array<std::deque<std::string>, 2> disk_slots_;  // what has not been read
    Time read_disk_every_{1000};
};

}  // namespace hbsim
