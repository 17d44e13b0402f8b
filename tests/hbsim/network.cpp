#include "tests/hbsim/network.h"

#include <algorithm>
#include <utility>

namespace hbsim {
namespace {

constexpr std::size_t kRecorded = 300;
constexpr std::size_t kSerialBytesPerMillisecond = 11;  // 115,200 baud
constexpr Time kSerialBuffer{500};                      // what waits for longer is lost
constexpr std::size_t kDiskMessages = 8;                // that fit into a node's block

}  // namespace

Network::Network(World& world, std::size_t links, Sink sink)
    : world_(world), sink_(std::move(sink)) {
    for (std::size_t i = 0; i < links; ++i) {
        links_.push_back({.name = "eth" + std::to_string(i + 1)});
    }
}

void Network::add(Medium medium, Time read_every) {
    const char* const name = medium == Medium::serial ? kSerialLine : kSharedDisk;
    links_.push_back({.name = name, .medium = medium});
    read_disk_every_ = read_every;
}

void Network::send(Node from, const std::string& datagram) {
    recorded_.push_back(datagram);
    if (recorded_.size() > kRecorded) {
        recorded_.pop_front();
    }
    for (const Link& link : links_) {
        if (link.cut[index(from)] || world_.prng.chance(link.loss)) {
            continue;
        }
        transmit(link, from, datagram);
        if (world_.prng.chance(link.duplicate)) {
            transmit(link, from, datagram);
        }
    }
}

void Network::transmit(const Link& link, Node from, const std::string& datagram) {
    if (link.medium == Medium::disk) {
        write_to_disk(from, datagram);
        return;
    }
    Time delay = world_.between(link.delay_min, link.delay_max);
    if (link.medium == Medium::serial) {
        Time& free = serial_busy_until_[index(from)];
        const Time begin = std::max(free, world_.now());
        if (begin - world_.now() > kSerialBuffer) {
            return;
        }
        const Time takes{static_cast<Time::rep>(datagram.size() / kSerialBytesPerMillisecond)};
        free = begin + takes;
        delay = free - world_.now();
    }
    world_.after(delay, [this, to = other(from), medium = link.name, datagram] {
        sink_(to, medium, datagram);
    });
}

void Network::write_to_disk(Node from, const std::string& datagram) {
    std::deque<std::string>& slot = disk_slots_[index(from)];
    if (slot.empty()) {
        world_.after(read_disk_every_ - world_.now() % read_disk_every_,
                     [this, from] { read_disk(from); });
    }
    slot.push_back(datagram);
    if (slot.size() > kDiskMessages) {
        slot.pop_front();
    }
}

void Network::read_disk(Node from) {
    for (const std::string& datagram : std::exchange(disk_slots_[index(from)], {})) {
        sink_(other(from), kSharedDisk, datagram);
    }
}

void Network::ping(Node from, const std::string& ping_node, const std::string& data) {
    if (!pings_[index(from)]) {
        return;
    }
    world_.after(world_.between(1ms, 3ms), [this, from, ping_node, data] {
        if (pings_[index(from)]) {
            sink_(from, ping_node, data);
        }
    });
}

void Network::cut(std::size_t link, bool from_a, bool from_b) {
    links_[link].cut = {from_a, from_b};
    world_.trace(
        "network",
        links_[link].name + (from_a || from_b ? " cut" : " restored") +
            (from_a != from_b ? (from_a ? ", from node-a only" : ", from node-b only") : ""));
}

void Network::cut_all() {
    for (std::size_t i = 0; i < links_.size(); ++i) {
        cut(i);
    }
}

void Network::heal() {
    for (Link& link : links_) {
        link.repair();
    }
    pings_ = {true, true};
    world_.trace("network", "healed");
}

bool Network::any_path(Node from) const {
    for (const Link& link : links_) {
        if (!link.cut[index(from)] && link.loss < 0.5) {
            return true;
        }
    }
    return false;
}

void Network::set_pings_reachable(Node node, bool reachable) {
    pings_[index(node)] = reachable;
    world_.trace(
        "network",
        std::string(name(node)) + (reachable ? " reaches" : " does not reach") + " the ping nodes");
}

void Network::inject(std::size_t link, Node to, const std::string& bytes) {
    sink_(to, links_[link].name, bytes);
}

}  // namespace hbsim
