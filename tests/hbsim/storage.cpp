#include "tests/hbsim/storage.h"

#include <utility>

namespace hbsim {

Storage::Storage(World& world, std::string resource, FencePeer fence_peer)
    : world_(world), resource_(std::move(resource)), fence_peer_(std::move(fence_peer)) {
}

std::string Storage::promote(Node node) {
    Side& own = side(node);
    if (own.primary) {
        return {};
    }
    if (own.disk != DiskState::UpToDate) {
        return "the local data are not UpToDate";
    }
    if (own.connected && own.peer_primary) {
        return "the peer is Primary";
    }
    if (!own.connected && own.doubtful) {
        if (!std::exchange(own.asked, true)) {
            fence_peer_(node);
        }
        return "the local data are only Consistent";
    }
    own.primary = true;
    side(other(node)).peer_primary = side(other(node)).connected;
    world_.trace(name(node), "storage: " + resource_ + " is Primary");
    if (!own.connected) {
        fence_peer_(node);
    }
    return {};
}

std::string Storage::demote(Node node) {
    side(node).primary = false;
    side(other(node)).peer_primary = false;
    return {};
}

int Storage::outdate(Node node) {
    Side& own = side(node);
    if (own.primary || own.wrote_alone) {
        return 17;  // also who has writes that the peer lacks: `drbdadm outdate` refuses
    }
    if (own.disk == DiskState::Inconsistent) {
        return 5;
    }
    if (own.connected && link_up_ && side(other(node)).powered) {
        return 17;  // a connected node is not outdated
    }
    lose_connection(node);  // it had not noticed yet
    own.disk = DiskState::Outdated;
    world_.trace(name(node), "storage: " + resource_ + " is Outdated");
    return 0;
}

void Storage::drop_connection(Node node) {
    if (!side(node).connected) {
        return;
    }
    lose_connection(node);
    if (side(other(node)).connected && side(other(node)).powered) {
        lose_connection(other(node));
    }
    world_.after(1s, [this] { try_to_connect(); });
}

void Storage::power_off(Node node) {
    side(node) = {.powered = false,
                  .primary = false,
                  .connected = false,
                  .peer_primary = false,
                  .wrote_alone = side(node).wrote_alone,
                  .doubtful = side(node).doubtful || !side(node).wrote_alone,
                  .disk = side(node).disk};
    const std::uint64_t sync = ++sync_number_;  // one that runs stops
    world_.after(peer_timeout, [this, node, sync] {
        if (!side(node).powered && sync == sync_number_) {
            lose_connection(other(node));
        }
    });
}

void Storage::power_on(Node node) {
    side(node).powered = true;
    lose_connection(other(node));  // a new connection tells it that the old one is dead
    world_.after(500ms, [this] { try_to_connect(); });
}

void Storage::set_link(bool up) {
    link_up_ = up;
    world_.trace("storage", up ? "replication link restored" : "replication link cut");
    if (up) {
        try_to_connect();
        return;
    }
    for (const Node node : kNodes) {
        world_.after(world_.between(100ms, peer_timeout), [this, node] {
            if (!link_up_) {
                lose_connection(node);
            }
        });
    }
}

void Storage::lose_connection(Node node) {
    Side& own = side(node);
    if (!own.powered || !own.connected) {
        return;
    }
    own.connected = false;
    own.peer_primary = false;
    ++sync_number_;
    world_.trace(name(node), "storage: " + resource_ + " lost its connection");
    if (own.primary) {
        fence_peer_(node);
    }
}

void Storage::on_fence_peer_done(Node node, int exit_code) {
    constexpr int kInconsistent = 3;
    constexpr int kOutdated = 4;
    constexpr int kUnreachable = 5;
    constexpr int kPrimary = 6;
    Side& own = side(node);
    const bool goes_on =
        exit_code == kInconsistent || exit_code == kOutdated || exit_code == kUnreachable;
    own.doubtful = own.doubtful && !goes_on;
    own.asked = false;
    if (exit_code == kPrimary && own.doubtful && !own.connected) {
        own.doubtful = false;
        own.disk = DiskState::Outdated;
        world_.trace(name(node), "storage: " + resource_ + " has outdated itself");
    }
    own.wrote_alone = own.wrote_alone || (goes_on && own.primary && !own.connected);
    if (side(Node::A).wrote_alone && side(Node::B).wrote_alone && !split_) {
        split_ = true;
        world_.trace("storage", "split brain: both sides have written");
        if (must_not_split) {
            world_.fail("split brain of " + resource_ + " although a defence is configured");
        }
    }
}

void Storage::try_to_connect() {
    Side& a = side(Node::A);
    Side& b = side(Node::B);
    if (!link_up_ || !a.powered || !b.powered || (a.connected && b.connected)) {
        return;
    }
    if (a.primary && b.primary) {
        world_.after(1s, [this] { try_to_connect(); });  // refused until one side gives way
        return;
    }
    a.connected = b.connected = true;
    a.doubtful = b.doubtful = false;
    a.peer_primary = b.primary;
    b.peer_primary = a.primary;
    world_.trace("storage", resource_ + " is connected");
    // After a split the side that is in use, else node-a's, wins: what an operator would choose.
    const bool a_good =
        a.primary || (!b.primary && (a.wrote_alone || a.disk == DiskState::UpToDate) &&
                      !(b.wrote_alone && !a.wrote_alone));
    const Node source = a_good ? Node::A : Node::B;
    const bool differ = a.wrote_alone || b.wrote_alone || a.disk != b.disk;
    a.wrote_alone = b.wrote_alone = split_ = false;
    if (differ) {
        sync(source);
    }
}

void Storage::sync(Node source) {
    side(source).disk = DiskState::UpToDate;
    side(other(source)).disk = DiskState::Inconsistent;
    const std::uint64_t sync = ++sync_number_;
    world_.after(world_.between(100ms, 3s), [this, source, sync] {
        if (sync == sync_number_) {
            side(other(source)).disk = DiskState::UpToDate;
            world_.trace(name(other(source)), "storage: " + resource_ + " is UpToDate");
        }
    });
}

}  // namespace hbsim
