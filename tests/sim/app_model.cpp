#include "tests/sim/app_model.h"

#include "base/log.h"
#include "base/require.h"

#include <algorithm>

namespace sim {

namespace {

std::uint64_t word_of(std::uint64_t sector, Stamp stamp, std::size_t i) {
    return (stamp * 0x9e3779b97f4a7c15ull + sector) * 0xd6e8feb86659fd93ull + i;
}

}  // namespace

void fill_sector(base::Bytes bytes, std::uint64_t sector, Stamp stamp) {
    for (std::size_t i = 0; i < kSectorBytes / 8; ++i) {
        const std::uint64_t word = stamp == kZeroes ? 0 : word_of(sector, stamp, i);
        base::put_le64(bytes, i * 8, i == 0 ? stamp : word);
    }
}

std::optional<Stamp> read_stamp(base::ConstBytes bytes, std::uint64_t sector) {
    const Stamp stamp = base::get_le64(bytes, 0);
    for (std::size_t i = 1; i < kSectorBytes / 8; ++i) {
        const std::uint64_t expected = stamp == kZeroes ? 0 : word_of(sector, stamp, i);
        if (base::get_le64(bytes, i * 8) != expected) {
            return std::nullopt;
        }
    }
    return stamp;
}

Lineage::SectorState& Lineage::state_of(std::uint64_t sector) {
    SectorState& state = sectors_[sector];
    if (state.recent.empty()) {
        const Candidate fresh{sector < grown_at_ ? kZeroes : kAnything, 0, 0, 0, true, true};
        state.recent.push_back(fresh);
        state.possible.push_back(fresh);
    }
    return state;
}

void Lineage::issued(
    std::uint64_t write, base::Sector sector, std::uint64_t sectors, Stamp stamp, bool keeps_old) {
    const std::uint64_t now = clock_++;
    writes_[write] = {sector.value, sectors, keeps_old};
    for (std::uint64_t s = sector.value; s < sector.value + sectors; ++s) {
        SectorState& state = state_of(s);
        const Candidate candidate{stamp, write, now, kRunning, false, false};
        state.recent.push_back(candidate);
        state.possible.push_back(candidate);
    }
    for (auto& [id, read] : reads_) {
        for (std::size_t i = 0; i < read.legal.size(); ++i) {
            if (read.sector + i >= sector.value && read.sector + i < sector.value + sectors) {
                read.legal[i].insert(stamp);
            }
        }
    }
}

// A content is gone for good once a write that was issued after its end has been acknowledged.
void Lineage::prune(std::vector<Candidate>& list, bool durable_only) {
    std::uint64_t newest = 0;
    for (const Candidate& c : list) {
        if (c.acked && (c.durable || !durable_only)) {
            newest = std::max(newest, c.issued);
        }
    }
    std::erase_if(list,
                  [newest](const Candidate& c) { return c.ended != kRunning && c.ended < newest; });
}

void Lineage::end(std::uint64_t write, bool acked, bool durable) {
    const auto found = writes_.find(write);
    REQUIRE(found != writes_.end());
    const std::uint64_t now = clock_++;
    for (std::uint64_t s = found->second.sector; s < found->second.sector + found->second.sectors;
         ++s) {
        SectorState& state = sectors_.at(s);
        for (auto* list : {&state.recent, &state.possible}) {
            for (Candidate& c : *list) {
                if (c.write == write && c.ended == kRunning) {
                    c.ended = now;
                    // A discard promises nothing: the old content lives on beside the zeroes.
                    c.acked = acked && !found->second.keeps_old;
                    c.durable = durable;
                }
            }
            prune(*list, list == &state.possible);
        }
    }
    writes_.erase(found);
}

void Lineage::acked(std::uint64_t write, bool durable) {
    end(write, true, durable);
}

void Lineage::failed(std::uint64_t write) {
    end(write, false, false);
}

void Lineage::flushed(std::uint64_t mark) {
    for (auto& [sector, state] : sectors_) {
        for (Candidate& c : state.possible) {
            c.durable = c.durable || (c.acked && c.ended < mark);
        }
        prune(state.possible, true);
    }
}

void Lineage::read_issued(std::uint64_t read, base::Sector sector, std::uint64_t sectors) {
    Read& entry = reads_[read];
    entry.sector = sector.value;
    for (std::uint64_t s = sector.value; s < sector.value + sectors; ++s) {
        auto& legal = entry.legal.emplace_back();
        for (const Candidate& c : state_of(s).recent) {
            legal.insert(c.stamp);
        }
    }
}

std::string Lineage::read_done(std::uint64_t read, base::ConstBytes bytes) {
    const auto found = reads_.find(read);
    REQUIRE(found != reads_.end());
    const Read entry = std::move(found->second);
    reads_.erase(found);
    if (bytes.size() != entry.legal.size() * kSectorBytes) {
        return "a read returned the wrong number of bytes";
    }
    for (std::size_t i = 0; i < entry.legal.size(); ++i) {
        const std::uint64_t sector = entry.sector + i;
        const auto stamp = read_stamp(bytes.subspan(i * kSectorBytes, kSectorBytes), sector);
        if (!entry.legal[i].contains(kAnything) && (!stamp || !entry.legal[i].contains(*stamp))) {
            return base::format("a read of sector %llu returned stamp %llx, legal: %llx%s",
                                static_cast<unsigned long long>(sector),
                                static_cast<unsigned long long>(stamp.value_or(~0ull)),
                                static_cast<unsigned long long>(*entry.legal[i].rbegin()),
                                entry.legal[i].size() > 1 ? " and older" : "");
        }
    }
    return {};
}

bool Lineage::may_hold(const SectorState& state, std::optional<Stamp> stamp) {
    return std::any_of(state.recent.begin(), state.recent.end(), [&](const Candidate& c) {
        return c.stamp == kAnything || (stamp && c.stamp == *stamp);
    });
}

bool Lineage::is_recent(std::uint64_t sector, std::optional<Stamp> stamp) const {
    const auto found = sectors_.find(sector);
    return found == sectors_.end() || may_hold(found->second, stamp);
}

std::vector<std::uint64_t> Lineage::sectors() const {
    std::vector<std::uint64_t> written;
    for (const auto& [sector, state] : sectors_) {
        written.push_back(sector);
    }
    return written;
}

std::vector<std::uint64_t> Lineage::lost(const Peek& peek) const {
    std::vector<std::uint64_t> missing;
    for (const auto& [sector, state] : sectors_) {
        if (!may_hold(state, peek(sector))) {
            missing.push_back(sector);
        }
    }
    return missing;
}

bool Lineage::all_there(const Peek& peek) const {
    return std::all_of(sectors_.begin(), sectors_.end(), [&](const auto& entry) {
        return may_hold(entry.second, peek(entry.first));
    });
}

bool Lineage::shows(std::uint64_t write, const Peek& peek) const {
    const Write& w = writes_.at(write);
    for (std::uint64_t s = w.sector; s < w.sector + w.sectors && !w.keeps_old; ++s) {
        const std::vector<Candidate>& recent = sectors_.at(s).recent;
        const auto mine = std::find_if(
            recent.begin(), recent.end(), [write](const Candidate& c) { return c.write == write; });
        REQUIRE(mine != recent.end());
        const auto stamp = peek(s);
        const bool shown = stamp && std::any_of(recent.begin(), recent.end(), [&](const auto& c) {
                               return c.stamp == *stamp && c.issued >= mine->issued;
                           });
        if (!shown) {
            return false;
        }
    }
    return true;
}

std::string Lineage::describe(std::uint64_t sector) const {
    std::string text;
    for (const Candidate& c : sectors_.at(sector).recent) {
        text += base::format(" %llx(%s%s)",
                             static_cast<unsigned long long>(c.stamp),
                             c.acked ? "acked" : "not acked",
                             c.durable ? ", flushed" : "");
    }
    return text;
}

// Each of the possible contents may now be the one on the disk, and stays until it is overwritten.
void Lineage::fall_back_to_flushed() {
    const std::uint64_t now = clock_++;
    for (auto& [sector, state] : sectors_) {
        for (Candidate& c : state.possible) {
            if (c.ended != kRunning) {
                c.issued = c.ended = now;
            }
        }
        state.recent = state.possible;
    }
    for (auto& [id, read] : reads_) {
        for (std::size_t i = 0; i < read.legal.size(); ++i) {
            for (const Candidate& c : state_of(read.sector + i).possible) {
                read.legal[i].insert(c.stamp);
            }
        }
    }
}

void Lineage::accept(const Peek& peek) {
    const std::uint64_t now = clock_++;
    for (auto& [sector, state] : sectors_) {
        const auto stamp = peek(sector);
        state.recent.push_back({stamp.value_or(kZeroes), 0, now, now, false, false});
        state.possible = state.recent;
    }
}

void Lineage::adopt(const Peek& peek) {
    const std::uint64_t now = clock_++;
    for (auto& [sector, state] : sectors_) {
        const auto stamp = peek(sector);
        const Candidate truth{stamp.value_or(kZeroes), 0, now, now, true, true};
        std::erase_if(state.recent, [](const Candidate& c) { return c.ended != kRunning; });
        state.recent.push_back(truth);
        state.possible = state.recent;
    }
}

bool Lineage::is_unused_gain(std::uint64_t first, std::uint64_t sectors) const {
    const auto written = sectors_.lower_bound(first);
    return first >= grown_at_ && (written == sectors_.end() || written->first >= first + sectors);
}

}  // namespace sim
