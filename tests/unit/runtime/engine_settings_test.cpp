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

}  // namespace
