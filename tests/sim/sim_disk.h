// A disk with a volatile cache, at sector granularity. What a power cut may do, and what every run
// therefore has to survive:
//   - a write that was done but neither FUA nor flushed since: each of its sectors keeps any of the
//     contents it had since it was last stable;
//   - a write in flight: nothing, all, a prefix or any selection of its sectors;
//   - kill -9 of the process: writes in flight likewise, the cache survives.
// A failed write leaves each of its sectors old or new. A bad sector fails reads until rewritten.
// Writes take effect at their submission or at their completion, which comes in any order.
#pragma once

#include "drbdd/io/disk.h"
#include "tests/sim/world.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace sim {

struct PowerCut {
    double drop_unflushed = 0.5;  // chance of each unflushed sector to lose its latest content
    bool tear_in_flight = true;
};

struct DiskLatency {
    io::Duration low = std::chrono::microseconds(50);
    io::Duration high = std::chrono::milliseconds(2);
};

class SimDisk : public io::Disk {
public:
    using Done = std::function<void(io::IoId id, int error)>;

    // Metadata on a device of its own has its first sector at `metadata_start`, behind the data:
    // two devices for the process, and one for whoever looks at them here.
    SimDisk(World& world, Node node, io::DiskGeometry geometry, base::Sector metadata_start);

    // --- io::Disk: what the process sees ---
    io::DiskGeometry geometry() const override { return geometry_; }

    void submit(const io::DiskOp& op) override;

    void close() override { done_ = nullptr; }

    void open(Done done) { done_ = std::move(done); }

    bool is_open() const { return done_ != nullptr; }

    std::size_t outstanding() const { return in_flight_.size(); }

    // --- What happens to it ---
    void lose_process();
    void lose_power(const PowerCut& cut);

    // The n-th operation from now on (1: the next one) fails.
    void fail_operation(std::uint64_t n, int error);

    // All operations of a kind fail until heal().
    void fail_all(io::DiskOp::Kind kind, int error) { failing_[kind] = error; }

    // The next flush fails as that of Linux' page cache may: some of what it was to cover counts as
    // clean from then on, is never written, and is forgotten some day.
    void lose_next_flush() { losing_flush_ = true; }

    void fail_data_writes(int error) { data_write_error_ = error; }

    // All that is done to the metadata, from now on.
    void fail_metadata(int error) { metadata_error_ = error; }

    void add_bad_sector(base::Sector sector) { bad_sectors_.insert(sector.value); }

    // What is no multiple of this is refused, whatever the geometry tells.
    void refuse_parts_of(std::uint32_t bytes) { least_ = bytes; }

    void heal();
    // Operations stay outstanding until released.
    void set_stuck(bool stuck);

    void set_latency(DiskLatency latency) { latency_ = latency; }

    std::uint64_t operations() const { return operations_; }  // submitted so far

    std::uint64_t flushes_lost() const { return flushes_lost_; }  // that lost what they covered

    std::uint64_t errors_given() const { return errors_given_; }

    // The data's device becomes longer. Internal metadata are wherever the engine has them.
    void grow(std::uint64_t size_bytes) { geometry_.size_bytes = size_bytes; }

    void set_metadata_start(base::Sector start) { metadata_start_ = start; }

    // Behind the last one, of the metadata too.
    base::Sector end() const;

    // --- Content as a read would find it; `length` a multiple of 512 ---
    void peek(base::Sector sector, base::Bytes out) const;
    // Stable at once: for preparing a disk.
    void poke(base::Sector sector, base::ConstBytes bytes);

    // Without what a failed flush has lost, which only the cache still has.
    void peek_lasting(base::Sector sector, base::Bytes out) const;
    // Content that is there after any power cut.
    void peek_stable(base::Sector sector, base::Bytes out) const;

    // 4 KiB blocks whose content changed since the last call, or "too many to say" never: exact.
    std::set<std::uint64_t> take_changed_blocks() { return std::exchange(changed_, {}); }

    std::set<std::uint64_t> blocks_ever_written() const;

private:
    static constexpr std::size_t kSector = 512;
    static constexpr std::size_t kBlock = 4096;
    using SectorBytes = std::array<std::uint8_t, kSector>;
    using Block = std::array<std::uint8_t, kBlock>;

    struct Version {
        std::uint64_t write = 0;
        std::uint64_t completed = 0;  // place in the order of completions; 0: still in flight
        bool lost = false;            // by a flush that failed: only the cache has it
        SectorBytes bytes{};
    };

    struct Dirty {
        SectorBytes stable{};
        std::vector<Version> versions;  // oldest first
    };

    struct InFlight {
        io::DiskOp op;
        std::uint64_t number = 0;
        bool landed = false;
        bool loses = false;  // a flush that fails
        int error = 0;
        std::uint64_t flush_horizon = 0;
        std::optional<World::EventId> event;
    };

    static bool changes_data(const io::DiskOp& op);
    io::DiskOp placed(io::DiskOp op) const;
    void check(const io::DiskOp& op);
    int draw_error(const io::DiskOp& op);
    void schedule(InFlight& entry);
    void complete(std::uint64_t number);
    void finish_write(InFlight& entry);
    void finish_read(InFlight& entry);
    void finish_flush(const InFlight& entry);
    void lose_some(const InFlight& flush);
    void forget_lost();
    void land(const InFlight& entry, const std::function<bool(std::uint64_t)>& keeps);
    void land_some(const InFlight& entry, bool tear);
    void store(std::uint64_t sector, const SectorBytes& bytes);
    SectorBytes load(std::uint64_t sector) const;
    SectorBytes new_content(const io::DiskOp& op, std::uint64_t sector) const;

    World& world_;
    Node node_;
    io::DiskGeometry geometry_;
    base::Sector metadata_start_;
    DiskLatency latency_;
    Done done_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Block>> blocks_;
    std::map<std::uint64_t, Dirty> dirty_;
    std::map<std::uint64_t, InFlight> in_flight_;
    std::set<std::uint64_t> changed_;
    std::set<std::uint64_t> bad_sectors_;
    std::map<io::DiskOp::Kind, int> failing_;
    std::map<std::uint64_t, int> failing_numbers_;
    int data_write_error_ = 0;
    int metadata_error_ = 0;
    std::uint32_t least_ = 512;
    bool stuck_ = false;
    bool losing_flush_ = false;
    std::uint64_t flushes_lost_ = 0;
    std::uint64_t errors_given_ = 0;
    std::uint64_t operations_ = 0;
    std::uint64_t completions_ = 0;
};

}  // namespace sim
