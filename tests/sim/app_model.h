// What the application may legally read back, sector by sector. Every write puts a stamp of its own
// into each of its sectors; the model knows which stamps a sector may hold:
//   recent:   the last acknowledged write, and whatever ran at the same time as it or later. This
//             is what a node must show that has lost nothing.
//   possible: everything since the last write that was flushed (or FUA). This is what a node may
//             show whose cache was lost in a power cut.
// One model describes one line of history (Lineage); a split brain makes a second one.
#pragma once

#include "base/bytes.h"
#include "base/units.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sim {

inline constexpr std::size_t kSectorBytes = 512;

using Stamp = std::uint64_t;

inline constexpr Stamp kZeroes = 0;
inline constexpr Stamp kAnything = ~std::uint64_t{1};  // of a sector that nobody has written yet

// Fills one sector so that any byte of it tells that it belongs to this stamp and sector.
void fill_sector(base::Bytes sector_bytes, std::uint64_t sector, Stamp stamp);
// The stamp of a sector's content; nothing if no write of ours looks like this.
std::optional<Stamp> read_stamp(base::ConstBytes sector_bytes, std::uint64_t sector);

class Lineage {
public:
    // A write, discard or zeroing is issued / has ended. `stamp` is kZeroes for the latter two.
    // `keeps_old`: the sectors may also stay as they are (discard).
    void issued(std::uint64_t write,
                base::Sector sector,
                std::uint64_t sectors,
                Stamp stamp,
                bool keeps_old);
    void acked(std::uint64_t write, bool durable);
    // Ended without success: any part of it may have been done.
    void failed(std::uint64_t write);

    // Everything that was acknowledged before `mark` was taken is on stable storage.
    std::uint64_t mark() const { return clock_; }

    void flushed(std::uint64_t mark);

    // A read is issued; later its answer is checked. The text says what is wrong, or is empty.
    void read_issued(std::uint64_t read, base::Sector sector, std::uint64_t sectors);
    std::string read_done(std::uint64_t read, base::ConstBytes bytes);

    // From here on lies what a device has gained: until it is written it holds anything.
    void has_grown_at(std::uint64_t sector) { grown_at_ = std::min(grown_at_, sector); }

    // A part of it, of which nobody has written anything.
    bool is_unused_gain(std::uint64_t first, std::uint64_t sectors) const;

    void read_failed(std::uint64_t read) { reads_.erase(read); }

    using Peek = std::function<std::optional<Stamp>(std::uint64_t sector)>;
    // Sectors whose content is not what an intact node must show.
    std::vector<std::uint64_t> lost(const Peek& peek) const;

    bool all_there(const Peek& peek) const;
    // A write that has not ended: its sectors hold it, or what was issued after it.
    bool shows(std::uint64_t write, const Peek& peek) const;
    // One sector holds what an intact node must show.
    bool is_recent(std::uint64_t sector, std::optional<Stamp> stamp) const;

    // Sectors that were ever written.
    std::vector<std::uint64_t> sectors() const;
    // For people: what the sector may hold.
    std::string describe(std::uint64_t sector) const;
    // A cache was lost legally: from now on what was possible counts as recent.
    void fall_back_to_flushed();
    // The content of this node is the truth from now on, whatever it is.
    void adopt(const Peek& peek);
    // It may be: what is on its way there may still reach it, or be lost.
    void accept(const Peek& peek);

    bool empty() const { return sectors_.empty(); }

private:
    static constexpr std::uint64_t kRunning = ~0ull;

    struct Candidate {
        Stamp stamp = kZeroes;
        std::uint64_t write = 0;
        std::uint64_t issued = 0;
        std::uint64_t ended = 0;  // kRunning: not yet
        bool acked = false;
        bool durable = false;
    };

    struct SectorState {
        std::vector<Candidate> recent;
        std::vector<Candidate> possible;
    };

    struct Write {
        std::uint64_t sector = 0;
        std::uint64_t sectors = 0;
        bool keeps_old = false;
    };

    struct Read {
        std::uint64_t sector = 0;
        std::vector<std::set<Stamp>> legal;
    };

    static bool may_hold(const SectorState& state, std::optional<Stamp> stamp);
    static void prune(std::vector<Candidate>& list, bool durable_only);
    void end(std::uint64_t write, bool acked, bool durable);
    SectorState& state_of(std::uint64_t sector);

    std::uint64_t grown_at_ = ~std::uint64_t{0};
    std::uint64_t clock_ = 1;
    std::map<std::uint64_t, SectorState> sectors_;
    std::map<std::uint64_t, Write> writes_;
    std::map<std::uint64_t, Read> reads_;
};

}  // namespace sim
