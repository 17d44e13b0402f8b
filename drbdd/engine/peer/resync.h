// Resync: the target walks its bitmap and asks for blocks, the source answers. Wire specification,
// section 8. Without a rate set by the user the target keeps a window of requests in flight, wide
// while the application is silent and narrow while it is not. With csums-alg it reads its own block
// first, and asks with the digest of that: what is equal is not copied.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/local_disk.h"
#include "drbdd/engine/volume/ranges.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace engine {

class Device;

// How much may be asked for now.
class ResyncPacer {
public:
    void start(io::Instant now) {
        last_refill_ = now;
        tokens_ = 0;
        last_owed_ = now;
        owed_ = 0;
    }

    // The application is busy and the resync has had at least c-min-rate lately.
    bool gives_way(io::Instant now, const DiskSettings& settings, bool application_busy);

    // Bytes that may be in flight in all.
    static std::uint64_t window(const DiskSettings& settings, bool application_busy);
    static std::uint64_t largest_request(bool application_busy);
    // Bytes per second allowed by the user's settings; 0: no limit.
    static std::uint64_t rate_limit(const DiskSettings& settings);
    // What has been gained since the last time; after it next_refill() lies in the future.
    void refill(io::Instant now, const DiskSettings& settings);

    bool may_send(const DiskSettings& settings) const {
        return rate_limit(settings) == 0 || tokens_ > 0;
    }

    void spend(std::uint64_t bytes) {
        tokens_ -= static_cast<std::int64_t>(bytes);
        owed_ -= static_cast<std::int64_t>(bytes);
    }

    io::Instant next_refill(const DiskSettings& settings) const;

private:
    io::Instant last_refill_{};
    std::int64_t tokens_ = 0;
    io::Instant last_owed_{};
    std::int64_t owed_ = 0;  // bytes that are missing to c-min-rate
};

class ResyncTarget {
public:
    ResyncTarget(Core& core, Device& device)
        : core_(core), device_(device), fetching_(&core.work), writing_(&core.work) {}

    // With a digest: what is equal is not copied.
    void start(std::unique_ptr<base::Digest> digest);
    // Forgets what was asked for; writes under way still reach the disk.
    void stop();

    bool running() const { return running_; }

    std::uint64_t in_flight_bytes() const { return in_flight_; }

    void advance();
    io::Instant next_deadline() const;

    base::Result<void> on_reply(const proto::Data& data, io::Slice payload);
    base::Result<void> on_deallocated(const proto::BlockDesc& block);
    void on_in_sync(const proto::BlockAck& packet);
    void on_peer_write(base::Sector sector, std::uint64_t bytes);
    void on_refused(const proto::BlockAck& packet, bool failed);
    void on_disk_done(const DiskTicket& ticket, int error);
    void on_own_read(const DiskTicket& ticket, int error);

    // An application write here must wait: the block is being fetched.
    bool fetching(base::Sector sector, std::uint64_t bytes) const {
        return fetching_.overlaps(sector, bytes);
    }

    // A peer's write must wait: an older version is on its way to the disk.
    bool writing(base::Sector sector, std::uint64_t bytes) const {
        return writing_.overlaps(sector, bytes);
    }

    bool idle() const { return requested_.empty() && comparing_ == 0 && writing_.empty(); }

    bool compares() const { return digest_ != nullptr; }

    // What was not copied, as it was equal.
    std::uint64_t equal_bits() const { return equal_bits_; }

    // Nothing is left to be fetched, but for what could not be.
    bool done() const;

    std::uint64_t failed_bits() const { return failed_bits_; }

private:
    bool active() const;
    bool request_next(bool busy);
    std::uint64_t largest_request(bool busy) const;
    void ask(proto::Command command,
             base::Sector sector,
             std::uint64_t bytes,
             base::ConstBytes digest);
    void compare(base::Sector sector, std::uint64_t bytes);
    std::uint64_t extend(std::uint64_t first_bit, std::uint64_t most) const;
    bool application_busy() const;
    void write(io::DiskOp op);
    void write_deferred();
    void forget(base::Sector sector, std::uint64_t bytes);

    Core& core_;
    Device& device_;
    bool running_ = false;
    ResyncPacer pacer_;
    std::uint64_t cursor_ = 0;                         // next bit to look at
    std::map<base::Sector, std::uint64_t> requested_;  // bytes; asked for, not answered
    std::unique_ptr<base::Digest> digest_;
    std::uint64_t comparing_ = 0;  // own blocks that are being read, to be asked for
    std::uint64_t equal_bits_ = 0;
    // Where a flush may have failed, what was read to be compared may be in the cache alone: it is
    // kept, and written if it is equal. Nobody waits to hear of that. Empty: overwritten meanwhile.
    std::map<base::Sector, io::Slice> compared_;
    std::set<base::Sector> rewriting_;
    std::uint64_t in_flight_ = 0;  // bytes asked for, to be asked for or being written
    Ranges<std::uint64_t> fetching_;
    Ranges<std::uint64_t> writing_;
    std::vector<io::DiskOp> deferred_;  // in writing_, but not submitted yet
    std::uint64_t serial_ = 0;          // of this resync, so that late completions are told apart
    std::uint64_t failed_bits_ = 0;
};

class ResyncSource {
public:
    ResyncSource(Core& core, Device& device)
        : core_(core), device_(device), reading_(&core.work), rewriting_(&core.work) {}

    // Blocks that are being written back are, to their end.
    void stop();
    base::Result<void> on_request(const proto::BlockReq& request, base::ConstBytes digest = {});
    void on_disk_done(const DiskTicket& ticket, int error);
    void advance();

    // An application write must wait: the block is being read for the target.
    bool reading(base::Sector sector, std::uint64_t bytes) const {
        return reading_.overlaps(sector, bytes);
    }

    // Nothing else may be written: what was read here is on its way back to the disk.
    bool rewriting(base::Sector sector, std::uint64_t bytes) const {
        return rewriting_.overlaps(sector, bytes);
    }

    std::size_t waiting() const { return queue_.size(); }

    std::uint64_t bytes_being_read() const { return active_bytes_; }

    // A flush has failed: what was sent before may be on the target's disk alone.
    void on_failed_flush();

    // The target has written the block. False: ours may have lost it since, and it stays marked.
    bool keeps(base::Sector sector);

    // The target has asked for a block of this resync.
    bool was_asked() const { return was_asked_; }

    // Some blocks could not be read: the target will end without them.
    bool refused_any() const { return refused_any_; }

private:
    void refuse(const proto::BlockReq& request);
    void write_back(const DiskTicket& ticket);

    struct Question {
        proto::BlockReq request{};
        std::vector<std::uint8_t> digest{};  // of the target's block; none: it is asked for
    };

    bool equal(const Question& question, base::ConstBytes data);
    void answer(const Question& question, const io::Slice& data, bool kept);

    Core& core_;
    Device& device_;
    std::unique_ptr<base::Digest> digest_;
    std::deque<Question> queue_;
    Ranges<std::uint64_t> reading_;
    Ranges<std::uint64_t> rewriting_;
    std::map<std::uint64_t, Question> active_;
    std::uint64_t active_bytes_ = 0;
    std::map<base::Sector, bool> replied_;  // not acknowledged yet -> ours is as good
    std::uint64_t next_key_ = 1;
    std::uint64_t serial_ = 0;
    bool was_asked_ = false;
    bool refused_any_ = false;
};

}  // namespace engine
