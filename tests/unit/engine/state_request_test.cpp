#include "drbdd/engine/rules/state_request.h"

#include "drbdd/engine/rules/state_rules.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

struct RequestRow {
    StateRequest request;
    std::uint32_t mask;
    std::uint32_t value;
};

// Wire specification, section 4.6: what 8.4 asks for, bit by bit.
TEST(StateRequest, NamesTheBitsOfTheWord) {
    const RequestRow rows[] = {
        {{.role = Role::Primary}, 0x3, 0x1},
        {{.role = Role::Primary, .disk = DiskState::UpToDate}, 0x1e03, 0x1001},
        {{.conn = ConnState::Disconnecting}, 0x1f0, 0x10},
        {{.conn = ConnState::Disconnecting, .disk = DiskState::Outdated}, 0x1ff0, 0xa10},
        {{.conn = ConnState::Disconnecting, .pdsk = DiskState::Outdated}, 0x1e1f0, 0xa010},
        {{.conn = ConnState::StartingSyncS}, 0x1f0, 0xb0},
        {{.conn = ConnState::StartingSyncT}, 0x1f0, 0xc0},
        {{.disk = DiskState::Failed}, 0x1e00, 0x400},
        {{}, 0, 0},
    };
    for (const RequestRow& row : rows) {
        const MaskedWord word = to_wire(row.request);
        EXPECT_EQ(word.mask, row.mask);
        EXPECT_EQ(word.value, row.value);
    }
}

// What one of ours asks for, the other one listens to.
TEST(StateRequest, IsWhatAPeerMayAsk) {
    const StateRequest requests[] = {
        {.role = Role::Primary},
        {.role = Role::Primary, .disk = DiskState::UpToDate},
        {.conn = ConnState::StartingSyncS},
        {.conn = ConnState::StartingSyncT},
        {.disk = DiskState::Failed},
    };
    for (const StateRequest& request : requests) {
        const MaskedWord word = to_wire(request);
        EXPECT_TRUE(peer_may_ask(word.mask, word.value)) << std::hex << word.mask;
    }
}

}  // namespace
}  // namespace engine
