// The part of ResourceCore that opens, runs and closes backing disks. A disk is the engine's from
// its Attach until its CloseDisk or AbandonDisk, whatever administrators have been answered:
// nothing else closes it.
#include "drbdd/runtime/nbd_disk.h"
#include "drbdd/runtime/resource_core.h"
#include "drbdd/runtime/settings_in_force.h"
#include "drbdd/runtime/uring_disk.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace runtime {

namespace asio = boost::asio;

namespace {

// As in the engine, and before the admin socket answers for us.
constexpr auto kAnswerWithin = std::chrono::milliseconds(700);

// ERR_* numbers of drbdsetup for a backing disk that cannot be had, and for one of the metadata.
int open_error_code(base::ErrorCode code, bool of_metadata) {
    switch (code) {
        case base::ErrorCode::Busy:
            return of_metadata ? 115 : 114;  // claimed: usually mounted
        case base::ErrorCode::TooSmall:
            return of_metadata ? 112 : 111;
        case base::ErrorCode::Unsupported:
            return of_metadata ? 108 : 107;  // not a block device
        case base::ErrorCode::Invalid:
            return 116;  // the one device as both
        default:
            return of_metadata ? 105 : 104;  // cannot be opened
    }
}

}  // namespace

void ResourceCore::attach(engine::VolumeNumber volume,
                          const std::optional<config::ResourceSettings>& wanted,
                          AdminCallback done) {
    if (!units_.contains(volume) || unit(volume).leaving) {
        done({127,
              "the resource has no such volume: 'drbdadm new-minor' or 'drbdadm adjust' adds it"});
        return;
    }
    VolumeUnit& target = unit(volume);
    if (target.disk || target.attach_running) {
        done({124, "Device is attached to a disk (use detach first)"});
        return;
    }
    if (wanted && !fits_our_volumes(*wanted, done)) {
        return;
    }
    if (wanted) {
        put_in_force(with_volume_of(*settings_, *wanted, volume.value));
        for (const config::VolumeSettings& settings : settings_->volumes) {
            if (settings.number == volume.value) {
                target.disks = {settings.disk, settings.meta_disk, settings.meta_index};
                target.identity.disk = settings.disk;
            }
        }
    }
    if (works_for_the_one_before(target.disks.data)) {
        done({open_error_code(base::ErrorCode::Busy, false),
              target.disks.data +
                  ": it was detached by force, and still works on what it was given "
                  "before"});
        return;
    }
    target.attach_running = true;
    target.opening = true;
    ++disk_jobs_;
    const AdminCallback once = answered_once(std::move(done));
    answer_in_time(target, once);
    const auto opened = std::make_shared<std::optional<OpenedDisks>>();
    on_worker(
        *target.disk_worker,
        [paths = target.disks, opened] { opened->emplace(open_disks(paths)); },
        [this, volume, opened, once]() mutable {
            --disk_jobs_;
            on_opened(volume, std::move(**opened), once);
            look_whether_free();
        });
}

// The engine does not know of a disk that is being opened: it must not come after a detach.
void ResourceCore::give_up_opening(engine::VolumeNumber volume) {
    if (const auto found = units_.find(volume); found != units_.end()) {
        found->second.opening = false;
    }
}

// The engine's time begins when the device is open, which may take long as well.
void ResourceCore::answer_in_time(VolumeUnit& target, const AdminCallback& once) {
    target.attach_timer->expires_after(kAnswerWithin);
    target.attach_timer->async_wait(
        [once, number = target.identity.volume](const boost::system::error_code& error) {
            if (!error) {
                once({static_cast<int>(engine::StateCode::InTransientState),
                      base::format("still waiting for the local disk of volume %u; it goes on "
                                   "and may still happen",
                                   number),
                      true});
            }
        });
}

void ResourceCore::on_opened(engine::VolumeNumber volume,
                             OpenedDisks opened,
                             const AdminCallback& once) {
    VolumeUnit& target = unit(volume);
    base::Result<BackingDevice>& device = opened.device;
    if (!device) {
        target.attach_running = false;
        surroundings_.log.write(base::LogLevel::Error, device.error().text);
        once({open_error_code(device.error().code, opened.of_metadata), device.error().text});
        return;
    }
    if (!std::exchange(target.opening, false) || stopping_) {
        target.attach_running = false;
        close_device(target, std::make_shared<BackingDevice>(std::move(*device)), [] {});
        once({static_cast<int>(engine::StateCode::InTransientState), "taken away meanwhile"});
        return;
    }
    const io::DiskGeometry geometry = device->geometry;
    target.disk = make_disk(target, std::move(*device));
    command_to_its_end(engine::Attach{volume, geometry}, [&target, once](AdminReply reply) {
        target.attach_running = reply.still_running;
        once(std::move(reply));
    });
}

std::unique_ptr<BackingDisk> ResourceCore::make_disk(VolumeUnit& target, BackingDevice device) {
    BackingDisk::Done done = [this, &target](io::IoId id, int error) {
        on_event(engine::DiskDone{{target.identity.volume}, id, error});
    };
    if (device.remote == nullptr) {
        return std::make_unique<UringDisk>(
            context_, ring_, pool_, std::move(device), std::move(done));
    }
    NbdDiskOptions options;
    options.elsewhere = [this, &target](std::function<void()> job, std::function<void()> then) {
        ++disk_jobs_;
        on_worker(*target.disk_worker, std::move(job), [this, then = std::move(then)] {
            --disk_jobs_;
            then();
            look_whether_free();
        });
    };
    return std::make_unique<NbdDisk>(context_,
                                     ring_,
                                     pool_,
                                     std::move(device),
                                     std::move(options),
                                     surroundings_.log,
                                     std::move(done));
}

void ResourceCore::perform(engine::SubmitDisk& effect) {
    VolumeUnit& target = unit(effect.volume);
    REQUIRE(target.disk != nullptr);  // it is the engine's until CloseDisk or AbandonDisk
    target.disk->submit(effect.op);
}

// Closing a device may take its time: the worker does it.
void ResourceCore::perform(engine::CloseDisk& effect) {
    VolumeUnit& target = unit(effect.volume);
    REQUIRE(target.disk != nullptr && target.disk->outstanding() == 0);
    std::shared_ptr<void> device = target.disk->give_up_device();
    target.disk.reset();
    ++disks_closing_;
    close_device(target, std::move(device), [this] { on_disk_closed(); });
}

// The kernel still works on it: that must lead to nothing here, and nobody else may have the device
// while it could still be written. It stays claimed.
void ResourceCore::perform(engine::AbandonDisk& effect) {
    VolumeUnit& target = unit(effect.volume);
    REQUIRE(target.disk != nullptr);
    BackingDisk* disk = target.disk.get();
    forget_completions_of(effect.volume);
    if (disk->outstanding() == 0) {  // all that the engine waited for was among these
        engine::CloseDisk close{effect.volume};
        perform(close);
        return;
    }
    surroundings_.log.write(
        base::LogLevel::Warning,
        base::format("%s: %zu operations are still outstanding; it stays claimed until they end",
                     disk->path().c_str(),
                     disk->outstanding()));
    abandoned_.push_back(std::move(target.disk));
    disk->abandon([this, &target, disk] { on_abandoned_idle(target, disk); });
}

// A file system over a network may let us wait.
void ResourceCore::perform(engine::MeasureDisk& effect) {
    VolumeUnit& target = unit(effect.volume);
    REQUIRE(target.disk != nullptr);
    ++disk_jobs_;
    const auto bytes = std::make_shared<std::uint64_t>(0);
    on_worker(
        *target.disk_worker,
        [measure = target.disk->ruler(), bytes] { *bytes = measure(); },
        [this, &target, disk = target.disk.get(), bytes] {
            --disk_jobs_;
            if (target.disk.get() == disk) {  // else it was closed meanwhile
                io::DiskGeometry geometry = disk->geometry();
                geometry.size_bytes = *bytes != 0 ? *bytes : geometry.size_bytes;
                disk->grow(std::max(geometry.size_bytes, disk->geometry().size_bytes));
                on_event(engine::DiskMeasured{{target.identity.volume}, geometry});
            }
            look_whether_free();
        });
}

// A client asks, not the engine. Finding a hole may read from the disk.
void ResourceCore::map_allocation(engine::VolumeNumber volume,
                                  std::uint64_t offset,
                                  std::uint64_t length,
                                  std::size_t most,
                                  io::AllocationTold told) {
    VolumeUnit& target = unit(volume);
    const BackingDisk::Mapper map = target.disk ? target.disk->mapper() : nullptr;
    if (!map) {
        asio::post(context_, [told = std::move(told)] { told({}); });
        return;
    }
    ++disk_jobs_;
    const auto runs = std::make_shared<std::vector<io::AllocationRun>>();
    on_worker(
        *target.disk_worker,
        [map, offset, length, most, runs] { *runs = map(offset, length, most); },
        [this, runs, told = std::move(told)] {
            --disk_jobs_;
            told(*runs);
            look_whether_free();
        });
}

// What has completed and was not told to the engine yet.
void ResourceCore::forget_completions_of(engine::VolumeNumber volume) {
    const auto stale = [volume](engine::Event& event) {
        const auto* done = std::get_if<engine::DiskDone>(&event);
        if (done != nullptr && done->volume == volume) {
            event = engine::Tick{};  // the batch is being walked through: nothing may move
        }
    };
    std::for_each(events_.begin(), events_.end(), stale);
    std::for_each(batch_.begin(), batch_.end(), stale);
}

void ResourceCore::on_abandoned_idle(VolumeUnit& target, BackingDisk* disk) {
    const auto found = std::find_if(abandoned_.begin(),
                                    abandoned_.end(),
                                    [disk](const auto& other) { return other.get() == disk; });
    REQUIRE(found != abandoned_.end());
    surroundings_.log.write(base::LogLevel::Info, disk->path() + ": has answered at last");
    close_device(target, disk->give_up_device(), [] {});
    abandoned_.erase(found);
}

bool ResourceCore::works_for_the_one_before(const std::string& path) const {
    return std::any_of(abandoned_.begin(), abandoned_.end(), [&](const auto& disk) {
        return disk->path() == path;
    });
}

void ResourceCore::close_device(VolumeUnit& target,
                                std::shared_ptr<void> device,
                                std::function<void()> then) {
    ++disk_jobs_;
    const auto closing = std::make_shared<std::shared_ptr<void>>(std::move(device));
    on_worker(
        *target.disk_worker,
        [closing] { closing->reset(); },
        [this, then = std::move(then)] {
            --disk_jobs_;
            then();
            look_whether_free();
        });
}

void ResourceCore::on_disk_closed() {
    if (--disks_closing_ > 0) {
        return;
    }
    publish();
    for (const auto& then : std::exchange(after_closing_, {})) {
        then();
    }
}

bool ResourceCore::disks_free() const {
    return abandoned_.empty() && disk_jobs_ == 0;
}

void ResourceCore::when_disks_free(std::function<void()> free) {
    when_free_ = std::move(free);
    look_whether_free();
}

void ResourceCore::look_whether_free() {
    if (disks_free() && when_free_) {
        asio::post(context_, std::exchange(when_free_, nullptr));
    }
}

}  // namespace runtime
