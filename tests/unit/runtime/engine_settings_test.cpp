#include "drbdd/runtime/engine_settings.h"

#include <gtest/gtest.h>

namespace {

bool flushes(bool barrier, bool flush) {
    config::ResourceSettings settings;
    config::VolumeSettings volume;
    volume.options.disk_barrier = barrier;
    volume.options.disk_flushes = flush;
    settings.volumes = {volume};
    return runtime::engine_settings(settings).volumes.at(0).disk.disk_flushes;
}

TEST(EngineSettings, FlushWhereBarriersAreAskedFor) {
    EXPECT_TRUE(flushes(true, false));
    EXPECT_TRUE(flushes(false, true));
    EXPECT_FALSE(flushes(false, false));
}

TEST(EngineSettings, WhatThePeerHasChangedIsToldInTheWordsOfTheFile) {
    config::NetSettings net;
    net.timeout = config::Deciseconds(33);
    runtime::adopt(net,
                   {engine::ReplicationProtocol::B,
                    engine::AfterSplitBrain::DiscardRemote,
                    engine::AfterSplitBrain::CallPriLostAfterSb,
                    engine::AfterSplitBrain::ViolentlyAs0p});
    EXPECT_EQ(net.protocol, config::Protocol::B);
    EXPECT_EQ(net.after_sb_0pri, config::AfterSb0Pri::DiscardRemote);
    EXPECT_EQ(net.after_sb_1pri, config::AfterSb1Pri::CallPriLostAfterSb);
    EXPECT_EQ(net.after_sb_2pri, config::AfterSb2Pri::ViolentlyAs0p);
    EXPECT_EQ(net.timeout, config::Deciseconds(33));
}

}  // namespace
