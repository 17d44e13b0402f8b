#include "drbdd/engine/peer/liveness.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LivenessTest : public testing::Test {
protected:
    LivenessTest() {
        net_.ping_int = seconds(10);
        net_.ping_timeout = milliseconds(500);
        liveness_.begin(at(seconds(0)));
    }

    static io::Instant at(io::Duration since_start) { return io::Instant{} + since_start; }

    NetSettings net_;
    Liveness liveness_;
};

TEST_F(LivenessTest, APeerThatIsSilentIsPingedAfterTheInterval) {
    EXPECT_EQ(liveness_.next_deadline(net_), at(seconds(10)));
    EXPECT_FALSE(liveness_.ping_is_due(at(milliseconds(9999)), net_));
    EXPECT_TRUE(liveness_.ping_is_due(at(seconds(10)), net_));
    liveness_.heard(at(seconds(7)));
    EXPECT_FALSE(liveness_.ping_is_due(at(seconds(16)), net_));
}

TEST_F(LivenessTest, APingThatIsWantedIsDueAtOnceButNotBesideAnother) {
    liveness_.want_ping();
    EXPECT_TRUE(liveness_.ping_is_due(at(seconds(0)), net_));
    liveness_.pinged(at(seconds(0)), net_);
    liveness_.want_ping();
    EXPECT_FALSE(liveness_.ping_is_due(at(milliseconds(100)), net_));
    liveness_.pong();
    EXPECT_TRUE(liveness_.ping_is_due(at(milliseconds(100)), net_));
}

TEST_F(LivenessTest, WhoDoesNotAnswerInTimeIsDead) {
    liveness_.pinged(at(seconds(10)), net_);
    EXPECT_FALSE(liveness_.is_dead(at(milliseconds(10499)), net_));
    EXPECT_TRUE(liveness_.is_dead(at(milliseconds(10500)), net_));
}

TEST_F(LivenessTest, AnythingThatArrivesRestartsTheWait) {
    liveness_.pinged(at(seconds(10)), net_);
    liveness_.heard(at(milliseconds(10400)));
    EXPECT_FALSE(liveness_.is_dead(at(milliseconds(10500)), net_));
    EXPECT_EQ(liveness_.next_deadline(net_), at(milliseconds(10900)));
    EXPECT_TRUE(liveness_.is_dead(at(milliseconds(10900)), net_));
}

TEST_F(LivenessTest, AnswersComeInTheOrderOfThePings) {
    const std::uint64_t first = liveness_.pinged(at(seconds(1)), net_);
    const std::uint64_t second = liveness_.pinged(at(seconds(2)), net_);
    EXPECT_EQ(liveness_.unanswered_since(), at(seconds(1)));
    liveness_.pong();
    EXPECT_TRUE(liveness_.answered(first));
    EXPECT_FALSE(liveness_.answered(second));
    EXPECT_FALSE(liveness_.unanswered_since());
    liveness_.pong();
    liveness_.pong();  // nobody asked
    const std::uint64_t third = liveness_.pinged(at(seconds(3)), net_);
    EXPECT_FALSE(liveness_.answered(third));
}

TEST_F(LivenessTest, ANewConnectionOwesNothing) {
    liveness_.pinged(at(seconds(1)), net_);
    liveness_.end();
    liveness_.begin(at(seconds(2)));
    EXPECT_FALSE(liveness_.unanswered_since());
    EXPECT_FALSE(liveness_.is_dead(at(seconds(60)), net_));
}

}  // namespace
}  // namespace engine
