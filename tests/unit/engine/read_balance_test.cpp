#include "drbdd/engine/requests/read_balance.h"

#include <gtest/gtest.h>

namespace {

using engine::ReadBalance;
using engine::ReadBalancing;

bool goes(ReadBalancing mode, std::uint64_t kib, ReadBalance::Load load = {}) {
    return ReadBalance().prefers_peer(mode, base::Sector{kib * 2}, load);
}

TEST(ReadBalance, APreferenceIsOne) {
    EXPECT_FALSE(goes(ReadBalancing::PreferLocal, 0, {1000, 0}));
    EXPECT_TRUE(goes(ReadBalancing::PreferRemote, 0, {0, 1000}));
}

TEST(ReadBalance, TurnsAreTaken) {
    ReadBalance balance;
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(balance.prefers_peer(ReadBalancing::RoundRobin, base::Sector{0}, {}), i % 2 != 0);
    }
}

TEST(ReadBalance, TheShorterQueueIsTaken) {
    EXPECT_FALSE(goes(ReadBalancing::LeastPending, 0, {3, 3}));
    EXPECT_TRUE(goes(ReadBalancing::LeastPending, 0, {4, 3}));
    EXPECT_FALSE(goes(ReadBalancing::WhenCongestedRemote, 0, {127, 0}));
    EXPECT_TRUE(goes(ReadBalancing::WhenCongestedRemote, 0, {128, 500}));
}

TEST(ReadBalance, StripesAreAsLongAsTheirName) {
    const ReadBalancing modes[] = {ReadBalancing::Striping32K,
                                   ReadBalancing::Striping64K,
                                   ReadBalancing::Striping128K,
                                   ReadBalancing::Striping256K,
                                   ReadBalancing::Striping512K,
                                   ReadBalancing::Striping1M};
    std::uint64_t kib = 32;
    for (const ReadBalancing mode : modes) {
        EXPECT_FALSE(goes(mode, 0));
        EXPECT_FALSE(goes(mode, kib - 4));
        EXPECT_TRUE(goes(mode, kib));
        EXPECT_TRUE(goes(mode, 2 * kib - 4));
        EXPECT_FALSE(goes(mode, 2 * kib));
        kib *= 2;
    }
}

}  // namespace
