#include "heartbeat/runtime/disk_medium.h"

#include "base/log.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxInbox = 256;

struct AlignedBlock {
    alignas(kDiskSlotBytes) std::array<char, kDiskSlotBytes> bytes{};
};

}  // namespace

// What the thread and the loop share; the last of them frees it.
struct DiskMedium::Shared {
    explicit Shared(DiskMediumOptions its_options) : options(std::move(its_options)) {}

    const DiskMediumOptions options;

    std::mutex mutex;  // guards all below
    std::condition_variable changed;
    bool ending = false;
    bool ended = false;
    bool dirty = false;
    DiskSlotWriter writer;
    Clock::time_point last_round = Clock::now();  // a whole round without an error
    std::string error;                            // of the last round; empty: none
    std::deque<std::string> inbox;

    void run();
    std::string round(FileDescriptor& disk, AlignedBlock& block);

private:
    std::string write_own(int disk, AlignedBlock& block);
    std::string read_others(int disk, AlignedBlock& block);

    off_t offset_of(std::size_t slot) const {
        return static_cast<off_t>(options.where.offset_bytes + slot * kDiskSlotBytes);
    }

    std::map<std::size_t, std::uint64_t> counters_;  // last seen; the thread's alone
};

void DiskMedium::Shared::run() {
    const auto block = std::make_unique<AlignedBlock>();
    FileDescriptor disk;
    std::unique_lock lock(mutex);
    while (!ending) {
        lock.unlock();
        std::string failed = round(disk, *block);
        lock.lock();
        if (failed.empty()) {
            last_round = Clock::now();
        } else {
            disk = FileDescriptor();
        }
        error = std::move(failed);
        changed.wait_for(lock, options.interval, [this] { return ending || dirty; });
    }
    ended = true;
    changed.notify_all();
}

std::string DiskMedium::Shared::round(FileDescriptor& disk, AlignedBlock& block) {
    if (!disk.open()) {
        disk = FileDescriptor(
            ::open(options.where.device.c_str(), O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC));
        if (!disk.open()) {
            return std::string("cannot open it: ") + std::strerror(errno);
        }
    }
    std::string failed = write_own(disk.get(), block);
    return failed.empty() ? read_others(disk.get(), block) : failed;
}

std::string DiskMedium::Shared::write_own(int disk, AlignedBlock& block) {
    {
        const std::lock_guard lock(mutex);
        if (!std::exchange(dirty, false)) {
            return {};
        }
        block.bytes = writer.block();
    }
    const ssize_t done =
        ::pwrite(disk, block.bytes.data(), kDiskSlotBytes, offset_of(options.own_slot));
    return done == static_cast<ssize_t>(kDiskSlotBytes)
               ? std::string()
               : std::string("cannot write: ") + std::strerror(done < 0 ? errno : EIO);
}

std::string DiskMedium::Shared::read_others(int disk, AlignedBlock& block) {
    for (std::size_t slot = 0; slot < options.slots; ++slot) {
        if (slot == options.own_slot) {
            continue;
        }
        const ssize_t done = ::pread(disk, block.bytes.data(), kDiskSlotBytes, offset_of(slot));
        if (done != static_cast<ssize_t>(kDiskSlotBytes)) {
            return std::string("cannot read: ") +
                   (done < 0 ? std::strerror(errno) : "the device is too small");
        }
        auto found = parse_disk_slot({block.bytes.data(), kDiskSlotBytes});
        if (!found) {
            continue;  // no node has written there yet
        }
        // What lay there before we came may be of a node that died long ago.
        const auto [known, first_sight] = counters_.try_emplace(slot, found->counter);
        if (first_sight || known->second == found->counter) {
            continue;
        }
        known->second = found->counter;
        const std::lock_guard lock(mutex);
        for (std::string& message : found->messages) {
            if (inbox.size() < kMaxInbox) {
                inbox.push_back(std::move(message));
            }
        }
    }
    return {};
}

DiskMedium::DiskMedium(boost::asio::io_context& io, DiskMediumOptions options, MediumEvents& events)
    : io_(io),
      options_(std::move(options)),
      description_("disk " + options_.where.device),
      events_(events),
      link_(*this, events),
      check_(io),
      shared_(std::make_shared<Shared>(options_)) {
}

DiskMedium::~DiskMedium() {
    std::unique_lock lock(shared_->mutex);
    shared_->ending = true;
    shared_->changed.notify_all();
    constexpr auto kPatience = std::chrono::milliseconds(200);
    shared_->changed.wait_for(lock, kPatience, [this] { return shared_->ended; });
}

void DiskMedium::start() {
    std::thread([shared = shared_] {
        ::pthread_setname_np(::pthread_self(), "heartbeat-disk");
        shared->run();
    }).detach();
    look_after();
}

void DiskMedium::send(const Outgoing& message) {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->writer.add(message.netstring);
        shared_->dirty = true;
    }
    shared_->changed.notify_all();
}

// Polled rather than posted by the thread: a thread that hangs for minutes must not come back to a
// loop that has ended.
void DiskMedium::look_after() {
    check_.expires_after(std::max(options_.interval / 4, std::chrono::milliseconds(10)));
    check_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped) {
            deliver();
            look_after();
        }
    });
}

void DiskMedium::deliver() {
    std::deque<std::string> messages;
    std::string error;
    bool hangs = false;
    {
        const std::lock_guard lock(shared_->mutex);
        messages = std::exchange(shared_->inbox, {});
        error = shared_->error;
        hangs = Clock::now() - shared_->last_round > options_.patience;
    }
    if (hangs) {
        link_.down(description_ + ": " + (error.empty() ? "it hangs" : error));
    } else if (error.empty()) {
        link_.up();
    }
    for (const std::string& message : messages) {
        events_.on_bytes(*this, message);
    }
}

}  // namespace hb
