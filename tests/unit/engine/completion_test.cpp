// When a write is acknowledged: protocol x what is known of each copy.
#include "drbdd/engine/rules/completion.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

using enum ReplicationProtocol;
using enum PeerLeg;

WriteLegs sent(ReplicationProtocol protocol, PeerLeg peer) {
    return {.protocol = protocol,
            .own_copy = true,
            .replicated = true,
            .peer = peer,
            .peer_full = true};
}

struct FarEnoughRow {
    PeerLeg peer;
    bool under_a;
    bool under_b;
    bool under_c;
};

// With a good copy of our own; section 6.1.
TEST(Completion, EachProtocolWaitsForItsAnswer) {
    const FarEnoughRow rows[] = {
        {Sent, false, false, false},
        {Left, true, false, false},
        {Received, true, true, false},
        {Written, true, true, true},
        {InSync, true, true, true},
        {Negative, true, true, true},  // it has answered; ours is the copy
        {Lost, true, true, true},
    };
    for (const FarEnoughRow& row : rows) {
        EXPECT_EQ(may_complete(sent(A, row.peer)), row.under_a) << static_cast<int>(row.peer);
        EXPECT_EQ(may_complete(sent(B, row.peer)), row.under_b) << static_cast<int>(row.peer);
        EXPECT_EQ(may_complete(sent(C, row.peer)), row.under_c) << static_cast<int>(row.peer);
        EXPECT_TRUE(has_good_copy(sent(C, row.peer)));
    }
}

TEST(Completion, WithoutAPeerNobodyIsWaitedFor) {
    const WriteLegs alone{.own_copy = true};
    EXPECT_TRUE(may_complete(alone));
    EXPECT_TRUE(has_good_copy(alone));
}

// A copy counts only while its disk is a member.
TEST(Completion, WithoutACopyOfOurOwnTheDataMustBeOnThePeersDisk) {
    for (const ReplicationProtocol protocol : {A, B, C}) {
        WriteLegs legs = sent(protocol, Received);
        legs.own_copy = false;
        EXPECT_FALSE(may_complete(legs));
        legs.peer = Written;
        EXPECT_TRUE(may_complete(legs));
        EXPECT_TRUE(has_good_copy(legs));
        legs.peer = Received;
        legs.peer_durable = true;  // the barrier ack
        EXPECT_TRUE(may_complete(legs));
    }
}

TEST(Completion, WhatNobodyHasIsAnError) {
    WriteLegs legs = sent(C, Lost);
    legs.own_copy = false;
    EXPECT_TRUE(may_complete(legs));
    EXPECT_FALSE(has_good_copy(legs));
    legs.peer = Negative;
    EXPECT_FALSE(has_good_copy(legs));
}

// What an Inconsistent peer has stored can't be read from it.
TEST(Completion, ACopyThatIsNotAFullOneIsNone) {
    WriteLegs legs = sent(C, Written);
    legs.own_copy = false;
    legs.peer_full = false;
    EXPECT_TRUE(may_complete(legs));
    EXPECT_FALSE(has_good_copy(legs));
}

// Were we to crash before it knows, our disk would pass for the newer one.
TEST(Completion, ThePeerMustKnowThatItHasTheOnlyCopy) {
    WriteLegs legs = sent(C, Written);
    legs.own_copy = false;
    legs.own_failed = true;
    legs.peer_knows_our_disk = false;
    EXPECT_FALSE(may_complete(legs));
    legs.peer_durable = true;
    EXPECT_FALSE(may_complete(legs));
    legs.peer_knows_our_disk = true;
    EXPECT_TRUE(may_complete(legs));
}

TEST(Completion, AFlushIsAnsweredByThePeerUnderEveryProtocol) {
    for (const ReplicationProtocol protocol : {A, B, C}) {
        WriteLegs legs = sent(protocol, Received);
        legs.flush = true;
        EXPECT_FALSE(may_complete(legs));
        legs.peer = Written;
        EXPECT_TRUE(may_complete(legs));
    }
}

}  // namespace
}  // namespace engine
