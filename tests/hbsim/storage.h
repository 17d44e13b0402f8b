// A replicated disk as the agents see it: one resource of DRBD on two nodes. Only what failover
// depends on: roles, whose data are good, whether the replication is connected, and what each side
// believes about the other after a crash.
#pragma once

#include "tests/hbsim/world.h"

#include <array>

namespace hbsim {

enum class DiskState : std::uint8_t { UpToDate, Outdated, Inconsistent };

class Storage {
public:
    // The Primary lost its replication link and wants the partner outdated (fence-peer handler).
    using FencePeer = std::function<void(Node primary)>;

    Storage(World& world, std::string resource, FencePeer fence_peer);

    const std::string& resource() const { return resource_; }

    // Empty: done. Otherwise why not, in words.
    std::string promote(Node node);
    std::string demote(Node node);

    // `drbdadm outdate`: its exit code.
    int outdate(Node node);

    // The daemon knows that the peer is dead: drop the connection without waiting for a time-out.
    void drop_connection(Node node);

    // What the fence-peer handler said: until it has, the Primary's writes wait.
    void on_fence_peer_done(Node node, int exit_code);

    void power_off(Node node);
    void power_on(Node node);

    void set_link(bool up);

    bool primary(Node node) const { return sides_[index(node)].primary; }

    DiskState disk(Node node) const { return sides_[index(node)].disk; }

    bool split() const { return split_; }

    void set_disk(Node node, DiskState state) { sides_[index(node)].disk = state; }

    // How long a node that hears nothing takes its silent peer for alive.
    Time peer_timeout = 6s;
    // Nobody writes to both sides apart from each other while this holds, or it is a violation.
    bool must_not_split = false;

private:
    struct Side {
        bool powered = true;
        bool primary = false;
        bool connected = true;      // as this side sees it
        bool peer_primary = false;  // likewise, while connected
        bool wrote_alone = false;   // since the sides were last the same
        bool doubtful = false;      // Consistent: it was off since then, the peer may have gone on
        bool asked = false;         // ... and its fence-peer handler is at work
        DiskState disk = DiskState::UpToDate;
    };

    Side& side(Node node) { return sides_[index(node)]; }

    void lose_connection(Node node);
    void try_to_connect();
    void sync(Node source);

    World& world_;
    std::string resource_;
    FencePeer fence_peer_;
    std::array<Side, 2> sides_;
    bool link_up_ = true;
    bool split_ = false;
    std::uint64_t sync_number_ = 0;
};

}  // namespace hbsim
