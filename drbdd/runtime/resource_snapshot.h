// What a resource shows of itself to other threads: immutable, published by its own thread.
#pragma once

#include "config/settings.h"
#include "drbdd/engine/status.h"
#include "drbdd/io/time.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace runtime {

struct VolumeSnapshot {        // beside engine::VolumeStatus of the same position
    std::string device;        // "/dev/drbd5", as configured
    std::string backing_path;  // empty while diskless
    std::string frontend = "none";
    std::string frontend_note;
    std::string users;  // who has the volume open, in words
};

struct ResourceSnapshot {
    io::Instant taken{};
    engine::ResourceStatus status;
    std::shared_ptr<const config::ResourceSettings> settings;  // in force
    bool congested = false;                                    // the network takes no more now
    std::vector<VolumeSnapshot> volumes;
};

using SnapshotPtr = std::shared_ptr<const ResourceSnapshot>;

// The newest snapshot. Reading it never waits for the resource's thread.
class PublishedSnapshot {
public:
    SnapshotPtr get() const {
        const std::lock_guard lock(mutex_);
        return newest_;
    }

    void set(SnapshotPtr snapshot) {
        const std::lock_guard lock(mutex_);
        std::swap(newest_, snapshot);
    }

private:
    mutable std::mutex mutex_;  // guards the pointer, not what it points to
    SnapshotPtr newest_;
};

}  // namespace runtime
