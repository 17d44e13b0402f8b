// Who has not proved that he is the peer: what he is told, and how often he may try.
#include "base/hmac.h"
#include "base/prng.h"
#include "drbdd/engine/engine.h"
#include "drbdd/engine/peer/recent_challenges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace engine {
namespace {

using namespace std::chrono_literals;

class NoPool final : public io::BufferPool {
public:
    io::BufferRef allocate(std::size_t) override { return {}; }
};

class Lines final : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { text += std::string(line) + "\n"; }

    std::string text;
};

class CountedChallenges final : public io::Challenges {
public:
    explicit CountedChallenges(std::uint8_t first) : next_(first) {}

    io::Challenge issue() override {
        io::Challenge challenge;
        challenge.fill(next_++);
        recent_.add(challenge);
        return challenge;
    }

    bool issued(base::ConstBytes challenge) const override { return recent_.has(challenge); }

private:
    std::uint8_t next_;
    RecentChallenges recent_;
};

ResourceSettings settings() {
    ResourceSettings made;
    made.name = "r0";
    made.net.cram_hmac_alg = "sha256";
    made.net.shared_secret = "a secret";
    return made;
}

std::vector<std::uint8_t> encoded(const proto::ConnectionFeatures& features) {
    std::vector<std::uint8_t> body(proto::ConnectionFeatures::kSize);
    proto::encode(features, body);
    return body;
}

std::vector<std::uint8_t> encoded(const proto::Protocol& settings) {
    std::vector<std::uint8_t> body(settings.size());
    proto::encode(settings, body);
    return body;
}

// One resource, seen from the peer's place.
class Door {
public:
    Door(io::Challenges& challenges, std::uint64_t seed)
        : engine_(settings(), pool_, log_, challenges, seed) {
        step(Admin{{1}, ConnectCommand{}});
    }

    void step(Event event) {
        engine_.step(now_, std::move(event), effects_);
        for (Effect& effect : effects_.list()) {
            if (auto* send = std::get_if<Send>(&effect)) {
                sent_.push_back(std::move(send->head));
            } else if (std::holds_alternative<StartListening>(effect)) {
                listening_since_ = now_;
                listening_ = true;
            } else if (std::holds_alternative<StopListening>(effect)) {
                listening_ = false;
            } else if (const auto* close = std::get_if<CloseSocket>(&effect)) {
                closed_.push_back(close->socket);
            }
        }
        effects_.clear();
    }

    void say(proto::Command command, std::vector<std::uint8_t> body, proto::HeaderKind kind) {
        Packet packet;
        packet.header = {
            kind, static_cast<std::uint16_t>(command), 0, static_cast<std::uint32_t>(body.size())};
        packet.body = std::move(body);
        step(PacketArrived{data_, std::move(packet)});
    }

    void say(proto::Command command, base::ConstBytes body) {
        say(command, {body.begin(), body.end()}, proto::HeaderKind::H100);
    }

    // To the moment at which both have two sockets and she has told her features.
    void open() {
        data_ = {kAcceptedSocket | sockets_++};
        step(SocketAccepted{data_});
        say(proto::Command::InitialData, {}, proto::HeaderKind::H80);
        const SocketId data = data_;
        data_ = {kAcceptedSocket | sockets_++};
        step(SocketAccepted{data_});
        say(proto::Command::InitialMeta, {}, proto::HeaderKind::H80);
        data_ = data;
        pass(1s);
    }

    void shake_hands(const proto::ConnectionFeatures& features = {}) {
        say(proto::Command::ConnectionFeatures, encoded(features), proto::HeaderKind::H80);
    }

    void pass(io::Duration time) {
        now_ += time;
        step(Tick{});
    }

    // How long until she listens again.
    io::Duration pause() {
        const io::Instant begun = now_;
        listening_since_ = {};
        while (listening_since_ <= begun && now_ < begun + 60s) {
            now_ = std::min(engine_.next_deadline(), begun + 60s);
            step(Tick{});
        }
        return now_ - begun;
    }

    // The body of the last packet of this kind; empty: there was none.
    std::vector<std::uint8_t> last(proto::Command command) const {
        for (auto it = sent_.rbegin(); it != sent_.rend(); ++it) {
            const bool new_kind = it->size() >= proto::kHeader100Size && (*it)[0] == 0x86;
            if (new_kind && ((*it)[6] << 8 | (*it)[7]) == static_cast<int>(command)) {
                return {it->begin() + proto::kHeader100Size, it->end()};
            }
        }
        return {};
    }

    bool logged(const std::string& part) const { return log_.text.find(part) != std::string::npos; }

    bool listening() const { return listening_; }

    // Somebody else, who had been on his way already: whether he is thrown out.
    bool turns_away() {
        const SocketId newcomer{kAcceptedSocket | sockets_++};
        step(SocketAccepted{newcomer});
        return std::find(closed_.begin(), closed_.end(), newcomer) != closed_.end();
    }

    bool has_closed_the_peers() const {
        return std::find(closed_.begin(), closed_.end(), data_) != closed_.end();
    }

    ConnState conn() const { return engine_.status(now_).conn; }

private:
    NoPool pool_;
    Lines log_;
    io::Instant now_ = io::Instant{} + 1s;
    Engine engine_;
    Effects effects_;
    std::vector<std::vector<std::uint8_t>> sent_;
    SocketId data_;
    std::uint32_t sockets_ = 0;
    std::vector<SocketId> closed_;
    bool listening_ = false;
    io::Instant listening_since_{};
};

std::vector<std::uint8_t> answer_to(base::ConstBytes challenge) {
    return *base::hmac("sha256", "a secret", challenge);
}

const std::vector<std::uint8_t> kOurChallenge(64, 0xee);

TEST(Authentication, LetsInWhoKnowsTheSecretAndProvesThatItDoes) {
    CountedChallenges challenges(1);
    Door door(challenges, 7);
    door.open();
    door.shake_hands();
    door.say(proto::Command::AuthChallenge, kOurChallenge);
    EXPECT_EQ(door.last(proto::Command::AuthResponse), answer_to(kOurChallenge));
    door.say(proto::Command::AuthResponse, answer_to(door.last(proto::Command::AuthChallenge)));
    EXPECT_TRUE(door.logged("Peer authenticated"));
    EXPECT_FALSE(door.last(proto::Command::Protocol).empty());
}

// Both sockets of a peer have been there for a moment, proved or not: nobody takes their place.
TEST(Authentication, WhoComesWhileThePeerIsThereIsTurnedAway) {
    CountedChallenges challenges(1);
    Door door(challenges, 7);
    door.open();
    EXPECT_FALSE(door.listening());
    EXPECT_TRUE(door.turns_away());
    door.shake_hands();
    door.say(proto::Command::AuthChallenge, kOurChallenge);
    EXPECT_TRUE(door.turns_away());
    door.say(proto::Command::AuthResponse, answer_to(door.last(proto::Command::AuthChallenge)));
    EXPECT_TRUE(door.logged("Peer authenticated"));
    EXPECT_TRUE(door.turns_away());
    EXPECT_FALSE(door.listening());
    EXPECT_FALSE(door.has_closed_the_peers());
}

// Two nodes whose identifiers and delays come out the same have nothing else in common.
TEST(Authentication, AChallengeIsOfTheSourceOfChallengesAlone) {
    CountedChallenges one(1);
    CountedChallenges other(100);
    Door first(one, 7);
    Door second(other, 7);
    for (Door* door : {&first, &second}) {
        door->open();
        door->shake_hands();
    }
    EXPECT_EQ(first.last(proto::Command::AuthChallenge), std::vector<std::uint8_t>(64, 1));
    EXPECT_EQ(second.last(proto::Command::AuthChallenge), std::vector<std::uint8_t>(64, 100));
}

TEST(Authentication, AChallengeOfAnotherResourceIsNotAnswered) {
    CountedChallenges daemon(1);
    Door door(daemon, 7);
    Door oracle(daemon, 8);
    for (Door* each : {&door, &oracle}) {
        each->open();
        each->shake_hands();
    }
    for (const std::size_t longer : {std::size_t{0}, std::size_t{64}}) {
        std::vector<std::uint8_t> challenge = door.last(proto::Command::AuthChallenge);
        challenge.resize(challenge.size() + longer);
        oracle.say(proto::Command::AuthChallenge, challenge);
        EXPECT_TRUE(oracle.last(proto::Command::AuthResponse).empty());
        EXPECT_TRUE(oracle.logged("unusable challenge"));
        EXPECT_EQ(oracle.conn(), ConnState::Unconnected);
        oracle.pause();
        oracle.open();
        oracle.shake_hands();
    }
}

TEST(Authentication, RecentChallengesAreRememberedAndOldOnesForgotten) {
    RecentChallenges recent;
    io::Challenge first{};
    first.fill(0xaa);
    recent.add(first);
    EXPECT_TRUE(recent.has(first));
    EXPECT_FALSE(recent.has(base::ConstBytes(first).first(8)));
    base::Prng prng(1);
    const auto add_others = [&](std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            io::Challenge other{};
            base::put_raw64(other, 0, prng.next());
            recent.add(other);
        }
    };
    add_others(RecentChallenges::kMost - 1);
    EXPECT_TRUE(recent.has(first));
    add_others(1);
    EXPECT_FALSE(recent.has(first));
}

// Whatever he tries: nobody has to come and connect the pair again, and he is made to wait.
class Impostor : public testing::TestWithParam<int> {
protected:
    static void attempt(Door& door) {
        door.open();
        switch (GetParam()) {
            case 0:
                return door.shake_hands({200, 0, 210});
            case 1:
                return door.say(
                    proto::Command::Ping, std::vector<std::uint8_t>{}, proto::HeaderKind::H80);
            case 2:
                door.shake_hands();
                return door.say(proto::Command::AuthChallenge,
                                base::ConstBytes(kOurChallenge).first(63));
            case 3:
                door.shake_hands();
                door.say(proto::Command::AuthChallenge, kOurChallenge);
                return door.say(proto::Command::AuthResponse, kOurChallenge);
            case 4:  // as if no secret had been set
                door.shake_hands();
                return door.say(proto::Command::Protocol, encoded(proto::Protocol{}));
            case 5:  // she has proved herself, and is not asked for more
                door.shake_hands();
                door.say(proto::Command::AuthChallenge, kOurChallenge);
                return door.say(proto::Command::Protocol, encoded(proto::Protocol{}));
            default:
                return door.pass(20s);  // says nothing
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Ways, Impostor, testing::Range(0, 7));

TEST_P(Impostor, IsMadeToWaitLongerAndLongerAndSeparatesNobody) {
    CountedChallenges challenges(1);
    Door door(challenges, 7);
    io::Duration last{};
    for (int i = 0; i < 6; ++i) {
        attempt(door);
        EXPECT_NE(door.conn(), ConnState::StandAlone);
        EXPECT_TRUE(door.last(proto::Command::Protocol).empty());
        const io::Duration pause = door.pause();
        EXPECT_LE(pause, 10s);
        EXPECT_GE(pause, std::min<io::Duration>(10s, 2 * last));
        last = pause;
    }
    EXPECT_EQ(last, 10s);
    EXPECT_TRUE(door.logged("6 attempts have failed before the peer had proved itself"));
    // The real one is let in at once, and what there was is forgotten.
    door.open();
    door.shake_hands();
    door.say(proto::Command::AuthChallenge, kOurChallenge);
    door.say(proto::Command::AuthResponse, answer_to(door.last(proto::Command::AuthChallenge)));
    EXPECT_TRUE(door.logged("Peer authenticated"));
}

}  // namespace
}  // namespace engine
