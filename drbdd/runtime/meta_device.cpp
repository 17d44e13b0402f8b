#include "drbdd/runtime/meta_device.h"

#include "base/log.h"
#include "meta/geometry.h"

#include <map>
#include <mutex>
#include <set>
#include <sys/stat.h>
#include <tuple>
#include <utility>

namespace runtime {

namespace {

// Metadata are written in blocks of this size.
constexpr std::uint32_t kLargestMetaBlock = 4096;

constexpr DeviceRole kWhole{"metadata device", 1, false};
constexpr DeviceRole kSlots{"metadata device", 1, true};

base::Error slot_is_taken(const std::string& path, std::uint32_t slot) {
    return {base::ErrorCode::Busy,
            base::format("cannot open metadata device %s: slot %u is in use (attached already, or "
                         "drbdmeta works on it)",
                         path.c_str(),
                         slot)};
}

}  // namespace

// Opened by the first volume, closed with the last. The mutex is held while a device is opened: who
// wants another device does not wait for it.
class MetaDevice::Shared {
public:
    base::Result<void> enter(const std::string& path, std::optional<std::uint32_t> slot) {
        const std::lock_guard hold(mutex_);
        const DeviceRole& role = slot ? kSlots : kWhole;
        if (!device_) {
            base::Result<BackingDevice> opened = open_device(path, role);
            if (!opened) {
                return opened.error();
            }
            device_.emplace(std::move(*opened));
        } else if (const base::Result<void> measured = measure(*device_, role); !measured) {
            return measured;
        }
        base::Result<void> entered = take(slot);
        if (!entered && users_ == 0) {
            device_.reset();
        }
        return entered;
    }

    void leave(std::optional<std::uint32_t> slot) {
        const std::lock_guard hold(mutex_);
        if (slot) {
            slots_.erase(*slot);
            release_bytes(*device_, *slot * meta::kSlotBytes, meta::kSlotBytes);
        }
        if (--users_ == 0) {
            device_.reset();
        }
    }

    // The same until the last volume has left.
    std::pair<int, std::uint64_t> opened() {
        const std::lock_guard hold(mutex_);
        return {device_->fd.get(), device_->geometry.size_bytes};
    }

private:
    base::Result<void> take(std::optional<std::uint32_t> slot) {
        if (device_->geometry.logical_block_bytes > kLargestMetaBlock) {
            return base::Error{base::ErrorCode::Invalid,
                               base::format("metadata device %s has sectors of %u bytes: DRBD's "
                                            "metadata need %u or less",
                                            device_->path.c_str(),
                                            device_->geometry.logical_block_bytes,
                                            kLargestMetaBlock)};
        }
        if (slot && (slots_.contains(*slot) ||
                     claim_bytes(*device_, *slot * meta::kSlotBytes, meta::kSlotBytes) != 0)) {
            return slot_is_taken(device_->path, *slot);
        }
        if (slot) {
            slots_.insert(*slot);
        }
        ++users_;
        return {};
    }

    std::mutex mutex_;
    std::optional<BackingDevice> device_;
    std::set<std::uint32_t> slots_;
    unsigned users_ = 0;
};

namespace {

// One for each device that is used in slots, for as long as the process lives.
class SharedMetaDevices {
public:
    std::shared_ptr<MetaDevice::Shared> of(const struct stat& info) {
        const bool block = S_ISBLK(info.st_mode);
        const Key key{block, block ? info.st_rdev : info.st_dev, block ? 0 : info.st_ino};
        const std::lock_guard hold(mutex_);
        std::shared_ptr<MetaDevice::Shared>& shared = devices_[key];
        if (shared == nullptr) {
            shared = std::make_shared<MetaDevice::Shared>();
        }
        return shared;
    }

private:
    using Key = std::tuple<bool, dev_t, ino_t>;

    std::mutex mutex_;
    std::map<Key, std::shared_ptr<MetaDevice::Shared>> devices_;
};

std::shared_ptr<MetaDevice::Shared> shared_for(const std::string& path, bool in_slots) {
    static SharedMetaDevices devices;

    struct stat info {};

    return in_slots && ::stat(path.c_str(), &info) == 0 ? devices.of(info)
                                                        : std::make_shared<MetaDevice::Shared>();
}

}  // namespace

MetaDevice::MetaDevice(std::shared_ptr<Shared> shared, std::optional<std::uint32_t> slot)
    : shared_(std::move(shared)) {
    std::tie(fd_, geometry_.size_bytes) = shared_->opened();
    geometry_.slot = slot;
}

MetaDevice::~MetaDevice() {
    shared_->leave(geometry_.slot);
}

base::Result<std::shared_ptr<MetaDevice>> open_meta_device(const std::string& path,
                                                           std::optional<std::uint32_t> slot) {
    const std::shared_ptr<MetaDevice::Shared> shared = shared_for(path, slot.has_value());
    if (const base::Result<void> entered = shared->enter(path, slot); !entered) {
        return entered.error();
    }
    return std::make_shared<MetaDevice>(shared, slot);
}

}  // namespace runtime
