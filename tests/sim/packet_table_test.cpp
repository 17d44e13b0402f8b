// What each packet of a peer does to this node in each state that it can be in: taken, refused, or
// the end of the connection, and what it changes. Every packet of the protocol, on both sockets, of
// a form that the peer may give it. The table is docs/packets.md: it is made by this test (with
// DRBDD_WRITE_TABLE=FILE in the environment), read by people, and compared with what happens.

#include "tests/sim/rogue_peer.h"
#include "tests/sim/sim_test.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace sim {
namespace {

using proto::Command;

constexpr const char* kStates[] = {"Secondary",
                                   "Primary",
                                   "Diskless",
                                   "peer Diskless",
                                   "WFBitMapS",
                                   "SyncSource",
                                   "WFBitMapT",
                                   "SyncTarget",
                                   "WFReportParams",
                                   "PausedSyncS",
                                   "PausedSyncT",
                                   "VerifyS",
                                   "VerifyT",
                                   "Ahead",
                                   "Behind",
                                   "WFReportParams, Outdated",
                                   "Inconsistent, alone"};

constexpr std::uint64_t kNewer = RogueCluster::kGeneration + 0x100;

constexpr std::uint32_t kRole = 3;
constexpr std::uint32_t kConn = 31u << 4;
constexpr std::uint32_t kOurDisk = 15u << 13;

std::uint32_t conn_bits(ConnState conn) {
    return static_cast<std::uint32_t>(conn) << 4;
}

// A node that is in this state, beside a peer that speaks.
class StateOfOurs {
public:
    explicit StateOfOurs(const std::string& state) : cluster(options(state)) {
        const bool source = state.ends_with("SyncS") || state == "SyncSource";
        const bool target = state.ends_with("SyncT") || state == "SyncTarget";
        set_up_peer(state, source, target);
        cluster.start();
        if (state == "Primary") {
            cluster.admin(engine::Promote{});
        } else if (state == "Diskless") {
            cluster.admin(engine::Detach{});
        }
        cluster.run_for(500ms);
        if (source || target) {
            send_bitmap(target ? 1024 : 0);
            cluster.run_for(200ms);
        }
        if (target) {
            cluster.peer.send(Command::SyncUuid, proto::SyncUuid{kNewer + 0x100});
            cluster.run_for(200ms);
        }
        if (state.starts_with("Paused")) {  // by the peer's administrator
            cluster.peer.state.conn = source ? ConnState::PausedSyncT : ConnState::PausedSyncS;
            cluster.peer.state.user_isp = true;
            cluster.peer.send_state();
            cluster.run_for(200ms);
        }
        if (state.starts_with("Verify")) {
            begin_verify(state == "VerifyS");
        } else if (state == "Ahead") {
            run_ahead();
        } else if (state == "Behind") {
            cluster.peer.state.role = Role::Primary;
            cluster.peer.state.conn = ConnState::Ahead;
            cluster.peer.send_state();
            cluster.run_for(200ms);
        }
    }

    RogueCluster cluster;

private:
    static RogueCluster::Options options(const std::string& state) {
        RogueCluster::Options made;
        made.geometry.size_bytes = std::uint64_t{64} << 20;
        made.geometry.can_discard = true;
        if (state == "WFReportParams, Outdated") {
            made.flags_lacking = meta::kMdWasUpToDate;
        } else if (state == "Inconsistent, alone") {
            made.flags_lacking = meta::kMdWasUpToDate | meta::kMdConsistent;
        } else if (state == "Ahead" || state == "Behind") {
            made.protocol = engine::ReplicationProtocol::A;
        }
        return made;
    }

    // That the peer never answers.
    void begin_verify(bool ours) {
        proto::SyncParam89 with_algorithm;
        with_algorithm.verify_alg = "crc32c";
        cluster.peer.send(Command::SyncParam89, with_algorithm);
        cluster.run_for(100ms);
        if (ours) {
            cluster.admin(engine::StartVerify{{0}});
        } else {
            cluster.peer.send(Command::StateChgReq,
                              proto::StateChgReq{kConn, conn_bits(ConnState::VerifyS)});
        }
        cluster.run_for(200ms);
    }

    // Of a peer that confirms nothing.
    void run_ahead() {
        engine::ResourceSettings settings;
        settings.name = "r0";
        settings.net.protocol = engine::ReplicationProtocol::A;
        settings.net.on_congestion = engine::OnCongestion::PullAhead;
        settings.net.congestion_extents = 1;
        settings.volumes.push_back({{0}, 0, {}});
        cluster.admin(engine::ChangeSettings{settings});
        cluster.admin(engine::Promote{});
        cluster.run_for(200ms);
        cluster.write(0, 8);
        cluster.run_for(200ms);
    }

    // Alone: with the only disk. An Outdated one is connected to no such peer, and a connection to
    // a disk makes it UpToDate or a target: it is met in the handshake.
    void set_up_peer(const std::string& state, bool source, bool target) {
        if (state == "Inconsistent, alone") {
            cluster.peer.be_diskless_primary();
            cluster.peer.state.role = Role::Secondary;
        } else if (state == "peer Diskless") {
            cluster.peer.be_diskless_primary();
        } else if (source || state == "WFBitMapS") {
            cluster.peer.uuids.current = 4;  // just created
            cluster.peer.state.disk = DiskState::Inconsistent;
        } else if (target || state == "WFBitMapT") {
            cluster.peer.uuids.bitmap = RogueCluster::kGeneration;
            cluster.peer.uuids.current = kNewer;
            cluster.peer.uuids.dirty_bits = 1024;
        }
        cluster.peer.tells_state = !state.starts_with("WFReportParams");
    }

    // Of which the first bits are set.
    void send_bitmap(std::uint64_t set) {
        const std::uint64_t bits = cluster.alice.volume(0).layout.usable_sectors / 8;
        for (std::uint64_t left = (bits + 63) / 64 * 64; left > 0;) {
            const std::uint64_t now =
                std::min<std::uint64_t>(left, proto::kMaxBitmapPacketBytes * 8);
            std::vector<std::uint8_t> body(now / 8, 0);
            for (std::uint64_t i = 0; i < now && set > 0; ++i, --set) {
                body[i / 8] = static_cast<std::uint8_t>(body[i / 8] | 1u << i % 8);
            }
            cluster.peer.send_data(Command::Bitmap, std::move(body));
            left -= now;
        }
        cluster.peer.send_data(Command::Bitmap, {});
    }
};

struct Sample {
    std::string name;
    Command command{};
    std::vector<std::uint8_t> body{};
    std::size_t payload = 0;
};

// What the peer may ask, and some of what it may not.
std::vector<Sample> state_requests(Command command) {
    const auto request = [&](const char* what, std::uint32_t mask, std::uint32_t value) {
        return Sample{
            std::string(command == Command::StateChgReq ? "StateChgReq" : "ConnStChgReq") + ": " +
                what,
            command,
            encoded(proto::StateChgReq{mask, value})};
    };
    return {request("its role Primary", kRole, 1),
            request("its role Secondary", kRole, 2),
            request("its disk Outdated", 15u << 9, 5u << 9),
            request("its disk Diskless", 15u << 9, 0),
            request("our role", 3u << 2, 2u << 2),
            request("our disk Diskless", kOurDisk, 0),
            request("our disk Failed", kOurDisk, 2u << 13),
            request("our disk Inconsistent", kOurDisk, 4u << 13),
            request("our disk Outdated", kOurDisk, 5u << 13),
            request("our disk UpToDate", kOurDisk, 8u << 13),
            request("our I/O suspended", 1u << 17, 1u << 17),
            request("a resync from us", kConn, conn_bits(ConnState::StartingSyncT)),
            request("a resync to us", kConn, conn_bits(ConnState::StartingSyncS)),
            request("a verify", kConn, conn_bits(ConnState::VerifyS)),
            request("StandAlone", kConn, conn_bits(ConnState::StandAlone)),
            request("Disconnecting", kConn, conn_bits(ConnState::Disconnecting))};
}

std::vector<std::uint8_t> state_of_peer(Role role, DiskState disk, ConnState conn) {
    engine::VolumeState state;
    state.role = role;
    state.disk = disk;
    state.conn = conn;
    return encoded(proto::State{engine::to_wire(state)});
}

// With bodies of which something depends.
std::vector<Sample> special_samples() {
    proto::Data data{{8}, 77, 1, proto::kDataSendWriteAck};
    const proto::Trim trim{{{8}, 77, 1, proto::kDataSendWriteAck | proto::kDataDiscard}, 4096};
    proto::Protocol other;
    other.protocol = 1;
    proto::Uuids uuids;
    uuids.current = RogueCluster::kGeneration;
    proto::Sizes sizes;
    sizes.d_size = sizes.c_size = 8192;
    std::vector<Sample> samples = {
        {"Data", Command::Data, encoded(data), 4096},
        {"DataReply", Command::DataReply, encoded(data), 4096},
        {"RsDataReply", Command::RsDataReply, encoded(data), 4096},
        {"Trim", Command::Trim, encoded(trim)},
        {"Zeroes", Command::Zeroes, encoded(trim)},
        {"Protocol", Command::Protocol, encoded(proto::Protocol{})},
        {"Protocol: another one", Command::Protocol, encoded(other)},
        {"ProtocolUpdate", Command::ProtocolUpdate, encoded(other)},
        {"SyncParam89", Command::SyncParam89, encoded(proto::SyncParam89{})},
        {"Sizes: a smaller one", Command::Sizes, encoded(sizes)},
        {"Uuids: ours", Command::Uuids, encoded(uuids)},
        {"SyncUuid", Command::SyncUuid, encoded(proto::SyncUuid{0x77777777777777ull << 4})},
        {"OutOfSync", Command::OutOfSync, encoded(proto::BlockDesc{{8}, 4096})},
        {"RsDeallocated", Command::RsDeallocated, encoded(proto::BlockDesc{{8}, 4096})},
        {"State: UpToDate",
         Command::State,
         state_of_peer(Role::Secondary, DiskState::UpToDate, ConnState::Connected)},
        {"State: Primary",
         Command::State,
         state_of_peer(Role::Primary, DiskState::UpToDate, ConnState::Connected)},
        {"State: Diskless",
         Command::State,
         state_of_peer(Role::Secondary, DiskState::Diskless, ConnState::Connected)},
        {"State: SyncTarget",
         Command::State,
         state_of_peer(Role::Secondary, DiskState::Inconsistent, ConnState::SyncTarget)},
        {"State: SyncSource",
         Command::State,
         state_of_peer(Role::Secondary, DiskState::UpToDate, ConnState::SyncSource)},
        {"State: StandAlone",
         Command::State,
         state_of_peer(Role::Secondary, DiskState::UpToDate, ConnState::StandAlone)}};
    for (const Command command :
         {Command::DataRequest, Command::RsDataRequest, Command::RsThinReq, Command::OvRequest}) {
        samples.push_back({proto::command_name(static_cast<std::uint16_t>(command)),
                           command,
                           encoded(proto::BlockReq{{8}, 77, 4096})});
    }
    for (const Command command : {Command::RecvAck,
                                  Command::WriteAck,
                                  Command::RsWriteAck,
                                  Command::Superseded,
                                  Command::NegAck,
                                  Command::NegDreply,
                                  Command::NegRsDreply,
                                  Command::RsIsInSync,
                                  Command::RsCancel,
                                  Command::OvResult,
                                  Command::RetryWrite}) {
        const std::string name = proto::command_name(static_cast<std::uint16_t>(command));
        samples.push_back({name, command, encoded(proto::BlockAck{{8}, 77, 4096, 1})});
        samples.push_back({name + ": of a resync",
                           command,
                           encoded(proto::BlockAck{{8}, proto::kIdSyncer, 4096, 1})});
    }
    for (const Command command : {Command::StateChgReq, Command::ConnStChgReq}) {
        for (Sample& sample : state_requests(command)) {
            samples.push_back(std::move(sample));
        }
    }
    return samples;
}

// And all others there are, with zeroes.
std::vector<Sample> all_samples() {
    std::vector<Sample> samples = special_samples();
    std::set<Command> known;
    for (const Sample& sample : samples) {
        known.insert(sample.command);
    }
    for (std::uint32_t number = 0; number <= 0xffff; ++number) {
        const auto command = static_cast<Command>(number);
        const std::string name = proto::command_name(static_cast<std::uint16_t>(number));
        if ((name != "unknown" || number == 0x50) && !known.contains(command)) {
            const auto shape = proto::body_shape(static_cast<std::uint16_t>(number));
            samples.push_back(
                {name, command, std::vector<std::uint8_t>(shape ? shape->fixed : 0, 0)});
        }
    }
    return samples;
}

std::uint64_t refusals(const RoguePeer& peer) {
    return peer.received(Command::NegAck) + peer.received(Command::NegDreply) +
           peer.received(Command::NegRsDreply);
}

bool answered_no(const RoguePeer& peer, Command reply, std::uint64_t before) {
    if (peer.received(reply) == before) {
        return false;
    }
    const auto decoded = proto::decode_state_chg_reply(peer.last_body(reply));
    return !decoded || decoded->code < static_cast<int>(engine::StateCode::Success);
}

// "taken", "refused" or "ends", and what has changed here.
std::string outcome(const char* state, bool meta, const Sample& sample) {
    StateOfOurs ours(state);
    RogueCluster& cluster = ours.cluster;
    EXPECT_TRUE(cluster.peer.connected()) << state;
    const engine::VolumeState before = cluster.status().state;
    const std::uint64_t no_before = refusals(cluster.peer);
    const std::uint64_t replies = cluster.peer.received(Command::StateChgReply);
    const std::uint64_t conn_replies = cluster.peer.received(Command::ConnStChgReply);
    if (meta) {
        cluster.peer.send_meta(sample.command, sample.body);
    } else {
        cluster.peer.send_data(sample.command,
                               sample.body,
                               sample.payload == 0
                                   ? io::Slice{}
                                   : cluster.peer.socket_pool().allocate_slice(sample.payload));
    }
    cluster.run_for(150ms);
    EXPECT_EQ(cluster.world.violation(), "") << state << " " << sample.name;
    const engine::VolumeState after = cluster.status().state;
    std::string result;
    if (!cluster.peer.connected()) {
        result = "ends";
    } else if (refusals(cluster.peer) > no_before ||
               answered_no(cluster.peer, Command::StateChgReply, replies) ||
               answered_no(cluster.peer, Command::ConnStChgReply, conn_replies)) {
        result = "refused";
    } else {
        result = "taken";
    }
    // That the peer is out of reach follows from the end of the connection.
    engine::VolumeState own = after;
    if (result == "ends") {
        own.conn = before.conn;
        own.peer = before.peer;
        own.pdsk = before.pdsk;
        own.susp = before.susp;
        own.peer_isp = before.peer_isp;
    }
    // The one that a person asks for: `invalidate-remote` at the peer.
    if (std::string(state) == "Primary" && !sample.name.ends_with("a resync to us")) {
        EXPECT_EQ(own.disk, before.disk) << sample.name;
        EXPECT_EQ(own.role, before.role) << sample.name;
    }
    std::string changed = engine::describe_change(before, own);
    while (!changed.empty() && changed.back() == ' ') {
        changed.pop_back();
    }
    return result + (changed.empty() ? "" : ", " + changed);
}

std::string table() {
    std::ostringstream text;
    text << "# What each packet of a peer does\n\n"
            "Made by SimPacketTable, which compares it with what happens: each packet of the "
            "protocol, well formed, on both sockets,\n"
            "to a node in each state. `taken`: it is handled, or has nothing to do; `refused`: "
            "answered with no; `ends`: the connection\n"
            "ends, and is made again. Behind it stands what of the node's state has changed.\n\n"
            "| packet | socket |";
    std::string rule = "|---|---|";
    for (const char* state : kStates) {
        text << " " << state << " |";
        rule += "---|";
    }
    text << "\n" << rule << "\n";
    for (const Sample& sample : all_samples()) {
        for (const bool meta : {false, true}) {
            text << "| " << sample.name << " | " << (meta ? "meta" : "data") << " |";
            for (const char* state : kStates) {
                text << " " << outcome(state, meta, sample) << " |";
            }
            text << "\n";
        }
    }
    return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

TEST(SimPacketTable, EachStateIsTheOneThatIsMeant) {
    const std::pair<const char*, ConnState> expected[] = {
        {"WFBitMapS", ConnState::WFBitMapS},
        {"SyncSource", ConnState::SyncSource},
        {"WFBitMapT", ConnState::WFBitMapT},
        {"SyncTarget", ConnState::SyncTarget},
        {"WFReportParams", ConnState::WFReportParams},
        {"WFReportParams, Outdated", ConnState::WFReportParams},
        {"PausedSyncS", ConnState::PausedSyncS},
        {"PausedSyncT", ConnState::PausedSyncT},
        {"VerifyS", ConnState::VerifyS},
        {"VerifyT", ConnState::VerifyT},
        {"Ahead", ConnState::Ahead},
        {"Behind", ConnState::Behind}};
    for (const auto& [name, conn] : expected) {
        StateOfOurs ours(name);
        EXPECT_EQ(ours.cluster.status().state.conn, conn)
            << name << " is " << engine::name(ours.cluster.status().state.conn);
    }
    EXPECT_EQ(StateOfOurs("Primary").cluster.status().state.role, Role::Primary);
    EXPECT_EQ(StateOfOurs("Diskless").cluster.status().state.disk, DiskState::Diskless);
    EXPECT_EQ(StateOfOurs("WFReportParams, Outdated").cluster.status().state.disk,
              DiskState::Outdated);
    StateOfOurs alone("Inconsistent, alone");
    EXPECT_EQ(alone.cluster.status().state.disk, DiskState::Inconsistent);
    EXPECT_EQ(alone.cluster.status().state.conn, ConnState::Connected);
}

TEST(SimPacketTable, IsTheOneOfTheDocument) {
    const std::string made = table();
    if (const char* path = std::getenv("DRBDD_WRITE_TABLE")) {
        std::ofstream(path) << made;
    }
    std::ifstream file(DRBDD_SOURCE_DIR "/docs/packets.md");
    const std::string kept((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    const std::vector<std::string> now = lines_of(made);
    const std::vector<std::string> then = lines_of(kept);
    ASSERT_EQ(now.size(), then.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
        EXPECT_EQ(now[i], then[i]);
    }
}

}  // namespace
}  // namespace sim
