// A connected node whose peer sends what the input says: well-formed headers with any body, in any
// order, on both sockets, while the application writes. The node may end the connection; it may not
// end itself, hang, spin, or break a rule of its disk: the simulator looks after every step.
//
// The first byte chooses the peer and the disk. Then come records: what to do, an argument, and the
// body of a packet, as long as its kind has it.
#include "base/require.h"
#include "tests/sim/rogue_peer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace {

using engine::AppRequest;
using proto::Command;

constexpr Command kData[] = {Command::Data,
                             Command::Trim,
                             Command::Zeroes,
                             Command::Barrier,
                             Command::State,
                             Command::Sizes,
                             Command::Uuids,
                             Command::SyncUuid,
                             Command::StateChgReq,
                             Command::OutOfSync,
                             Command::DataReply,
                             Command::RsDataReply,
                             Command::RsDeallocated,
                             Command::RsDataRequest,
                             Command::DataRequest,
                             Command::Bitmap,
                             Command::CompressedBitmap,
                             Command::ConnStChgReq,
                             Command::Protocol,
                             Command::SyncParam89};
constexpr Command kMeta[] = {Command::RecvAck,
                             Command::WriteAck,
                             Command::RsWriteAck,
                             Command::NegAck,
                             Command::NegDreply,
                             Command::NegRsDreply,
                             Command::RsCancel,
                             Command::RsIsInSync,
                             Command::BarrierAck,
                             Command::StateChgReply,
                             Command::ConnStChgReply,
                             Command::PingAck};

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    bool empty() const { return rest_.empty(); }

    std::uint8_t byte() {
        const std::uint8_t value = rest_.empty() ? std::uint8_t{0} : rest_.front();
        rest_ = rest_.subspan(std::min<std::size_t>(1, rest_.size()));
        return value;
    }

    std::vector<std::uint8_t> bytes(std::size_t count) {
        std::vector<std::uint8_t> taken(count, 0);
        const std::size_t have = std::min(count, rest_.size());
        std::copy_n(rest_.begin(), have, taken.begin());
        rest_ = rest_.subspan(have);
        return taken;
    }

private:
    base::ConstBytes rest_;
};

sim::RogueCluster::Options options(std::uint8_t choice) {
    sim::RogueCluster::Options made;
    made.geometry.size_bytes = std::uint64_t{1} << 30;
    made.geometry.logical_block_bytes = (choice & 4) != 0 ? 4096 : 512;
    made.geometry.can_discard = (choice & 8) != 0;
    made.disk.al_extents = 67;
    made.protocol =
        (choice & 16) != 0 ? engine::ReplicationProtocol::A : engine::ReplicationProtocol::C;
    made.agreed_sectors = (choice & 32) != 0 ? 1u << 20 : 0;
    return made;
}

void send(sim::RogueCluster& cluster, std::uint8_t what, std::uint8_t argument, Input& input) {
    const bool meta = (what & 0x40) != 0;
    const Command command =
        meta ? kMeta[what % std::size(kMeta)] : kData[(what & 0x3f) % std::size(kData)];
    const auto shape = proto::body_shape(static_cast<std::uint16_t>(command));
    if (!shape) {
        return;
    }
    const std::size_t more =
        shape->bulk ? 0 : std::min<std::size_t>(shape->max_payload, argument & 15);
    std::vector<std::uint8_t> body = input.bytes(shape->fixed + more);
    if ((argument & 0x10) != 0 && body.size() >= 8) {
        std::fill_n(body.begin(), 5, std::uint8_t{0});  // a position on the device
    }
    if (meta) {
        cluster.peer.send_meta(command, std::move(body));
    } else if (shape->bulk) {
        const std::size_t bytes = std::size_t{512} << (argument & 7);
        cluster.peer.send_data(
            command, std::move(body), cluster.peer.socket_pool().allocate_slice(bytes));
    } else {
        cluster.peer.send_data(command, std::move(body));
    }
}

void act(sim::RogueCluster& cluster, Input& input) {
    const std::uint8_t what = input.byte();
    const std::uint8_t argument = input.byte();
    if (what < 0x80) {
        send(cluster, what, argument, input);
    } else if (what < 0xa0) {
        const auto op = static_cast<AppRequest::Op>(argument % 5);
        const std::uint64_t bytes = op == AppRequest::Op::Flush ? 0 : 512u * (1 + argument / 5);
        cluster.request(op, std::uint64_t{input.byte()} * 7, bytes);
    } else {
        cluster.run_for(std::chrono::microseconds(1u << what % 20));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    const std::uint8_t choice = input.byte();
    sim::RogueCluster cluster(options(choice));
    if ((choice & 1) != 0) {
        cluster.peer.be_diskless_primary();
    }
    cluster.start();
    if ((choice & 2) != 0) {
        cluster.admin(engine::Promote{});
        cluster.run_for(std::chrono::seconds(1));
    }
    for (int i = 0; i < 200 && !input.empty() && !cluster.world.failed(); ++i) {
        act(cluster, input);
    }
    cluster.run_for(std::chrono::seconds(3));
    if (cluster.world.failed()) {
        std::fprintf(stderr,
                     "%s%s\n",
                     cluster.world.trace.last(60).c_str(),
                     cluster.world.violation().c_str());
    }
    REQUIRE(!cluster.world.failed());
    return 0;
}
