// Online verify: the node that began it (VerifyS) walks over the device and asks the peer (VerifyT)
// for the digest of each piece, computes that of its own, and tells the result. What differs is
// marked on both nodes; the next resync copies it. Wire specification, section 8.9.
//
// Both digests are of the same moment in the order of all writes: an application's write to a piece
// waits on this node from the question, or its arrival, until the own digest or the answer is on
// its way; and of the peer's writes those that came before its answer are on the disk, and no later
// one is, when the own piece is read.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/resync.h"
#include "drbdd/engine/volume/disk_ticket.h"
#include "drbdd/engine/volume/ranges.h"
#include "proto/packets.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace engine {

class Device;

// What differs, in one line for each stretch, as DRBD logs it.
class OutOfSyncLog {
public:
    explicit OutOfSyncLog(const Device& device) : device_(device) {}

    void found(base::Sector sector, std::uint64_t bytes);
    void end_stretch();

private:
    const Device& device_;
    std::uint64_t first_ = 0;
    std::uint64_t sectors_ = 0;
};

class VerifySource {
public:
    VerifySource(Core& core, Device& device)
        : core_(core), device_(device), log_(device), locked_(&core.work), replied_(&core.work) {}

    // From `first` up to, without, `end`. The state is VerifyS.
    void start(base::Sector first, base::Sector end, std::unique_ptr<base::Digest> digest);

    // The state has changed, or it is over. Returns up to where all has been compared.
    base::Sector stop();

    void on_connection_lost() { unanswered_ = 0; }

    bool running() const { return running_; }

    // Answers to an earlier verify are still to come: they say nothing of the blocks as they are.
    bool settling() const { return unanswered_ > 0; }

    bool done() const { return running_ && next_ >= end_ && checks_.empty(); }

    // The device has not become smaller.
    bool fits() const;

    base::Sector first() const { return first_; }

    std::uint64_t sectors_in_all() const { return (end_ - first_).value; }

    std::uint64_t sectors_left() const;

    base::Result<void> on_reply(base::ConstBytes body);
    // True if it was asked for here.
    bool on_refused(const proto::BlockAck& packet);
    void on_disk_done(const DiskTicket& ticket, int error);

    void advance();
    io::Instant next_deadline() const;

    // An application's write must wait.
    bool locks(base::Sector sector, std::uint64_t bytes) const {
        return locked_.overlaps(sector, bytes);
    }

    // A write of the peer's, by its number in the order of arrival, must wait: it came after the
    // digest of its block, which has not been compared yet.
    bool holds_back(std::uint64_t arrival, base::Sector sector, std::uint64_t bytes) const;

private:
    enum class Phase : std::uint8_t { Locked, Asked, Replied, Reading, Equal, Differs, Refused };

    struct Check {
        std::uint64_t bytes = 0;
        Phase phase = Phase::Locked;
        std::vector<std::uint8_t> digest{};  // the peer's
        std::uint64_t arrivals = 0;          // of the peer's writes, when it came
    };

    using Checks = std::map<base::Sector, Check>;

    bool active() const;
    bool application_busy();
    std::uint64_t largest(bool narrow) const;
    bool ask_next(bool narrow);
    bool ask(base::Sector sector, Check& check);
    void read_replied();
    void settle(Checks::iterator check, Phase phase);
    void split(Checks::iterator check);
    void tell_results();

    Core& core_;
    Device& device_;
    OutOfSyncLog log_;
    std::unique_ptr<base::Digest> digest_;
    bool running_ = false;
    ResyncPacer pacer_;
    base::Sector first_{};
    base::Sector next_{};  // to be asked for
    base::Sector end_{};
    Checks checks_;                       // not told yet
    std::optional<base::Sector> asking_;  // locked; waits for writes that were under way
    std::deque<base::Sector> to_read_;
    std::map<std::uint64_t, base::Sector> reads_;
    std::uint64_t in_flight_ = 0;    // bytes of checks_
    Ranges<std::uint64_t> locked_;   // by serial_
    Ranges<std::uint64_t> replied_;  // by the arrivals
    std::uint64_t next_key_ = 1;
    std::uint64_t serial_ = 0;
    std::uint64_t unanswered_ = 0;
    std::uint64_t received_ = 0;  // of the device's counter, when the peer's application wrote last
    io::Instant peer_active_at_{};
};

class VerifyTarget {
public:
    VerifyTarget(Core& core, Device& device)
        : core_(core), device_(device), log_(device), locked_(&core.work) {}

    // The state is VerifyT. Without that questions are answered all the same: the peer counts on
    // it.
    void start();
    // Returns up to where all has been compared, if anything was.
    std::optional<base::Sector> stop();
    void on_connection_lost();

    bool running() const { return running_; }

    // The peer has asked for something.
    bool begun() const { return begun_; }

    bool done() const { return running_ && begun_ && left_ == 0; }

    base::Sector first() const { return first_; }

    std::uint64_t sectors_in_all() const { return all_; }

    std::uint64_t sectors_left() const { return left_; }

    base::Result<void> on_request(const proto::BlockReq& request, const std::string& algorithm);
    void on_result(const proto::BlockAck& packet);
    void on_disk_done(const DiskTicket& ticket, int error);

    void advance();

    bool locks(base::Sector sector, std::uint64_t bytes) const {
        return locked_.overlaps(sector, bytes);
    }

    std::size_t waiting() const { return queue_.size(); }

    std::uint64_t bytes_being_read() const { return active_bytes_; }

private:
    struct Question {
        std::uint64_t key = 0;
        proto::BlockReq request{};
    };

    void begin(base::Sector first);
    void refuse(const proto::BlockReq& request);
    void answer(const proto::BlockReq& request, const io::Slice* data);

    Core& core_;
    Device& device_;
    OutOfSyncLog log_;
    std::unique_ptr<base::Digest> digest_;
    bool running_ = false;
    bool begun_ = false;
    base::Sector first_{};
    std::uint64_t all_ = 0;  // sectors
    std::uint64_t left_ = 0;
    std::deque<Question> queue_;
    std::map<std::uint64_t, proto::BlockReq> active_;
    Ranges<std::uint64_t> locked_;
    std::uint64_t active_bytes_ = 0;
    std::uint64_t next_key_ = 1;
};

}  // namespace engine
