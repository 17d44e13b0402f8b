// A bitmap as its runs of set bits, so that tests can have one of any length.
#pragma once

#include "proto/bitmap_code.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace test {

struct Run {
    std::uint64_t first;
    std::uint64_t count;
    bool operator==(const Run&) const = default;
};

// Ascending, and never two that touch.
using Runs = std::vector<Run>;

// `runs` must outlive the source.
inline proto::BitSource source_of(const Runs& runs) {
    const auto next_run = [&runs](std::uint64_t bit) {  // the run of `bit`, or the first behind it
        return std::ranges::partition_point(
            runs, [bit](const Run& run) { return run.first + run.count <= bit; });
    };
    const auto test = [&runs, next_run](std::uint64_t bit) {
        const auto run = next_run(bit);
        return run != runs.end() && run->first <= bit;
    };
    const auto run_end = [&runs, next_run, test](
                             std::uint64_t from, std::uint64_t end, bool value) {
        if (test(from) != value) {
            return from;
        }
        const auto run = next_run(from);
        const std::uint64_t border =
            run == runs.end() ? end : (value ? run->first + run->count : run->first);
        return std::min(border, end);
    };
    return {.test = test, .run_end = run_end};
}

// Collects what a decoder calls set() with.
inline auto collect_into(Runs& runs) {
    return [&runs](std::uint64_t first, std::uint64_t count) { runs.push_back({first, count}); };
}

}  // namespace test
