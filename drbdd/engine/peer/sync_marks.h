// How fast a resync or a verify goes: where it stood at a few moments, some seconds apart. For
// people; nothing is decided by it. Configuration specification, section 9.3: what exporters call
// dt0/db0 is what was done since the last of these moments, dt1/db1 since the oldest one.
#pragma once

#include "drbdd/engine/status.h"
#include "drbdd/io/time.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace engine {

class SyncMarks {
public:
    // It begins, or goes on after a pause: `left_bits` are still to be copied or compared.
    void start(io::Instant now, std::uint64_t left_bits);

    // To be called while it goes on, as often as one likes.
    void advance(io::Instant now, std::uint64_t left_bits);

    DoneSince last(io::Instant now, std::uint64_t left_bits) const {
        return since(marks_[last_], now, left_bits);
    }

    DoneSince oldest(io::Instant now, std::uint64_t left_bits) const {
        return since(marks_[(last_ + 1) % marks_.size()], now, left_bits);
    }

private:
    struct Mark {
        io::Instant at{};
        std::uint64_t left_bits = 0;
    };

    static DoneSince since(const Mark& mark, io::Instant now, std::uint64_t left_bits);

    std::array<Mark, 8> marks_{};
    std::size_t last_ = 0;
};

}  // namespace engine
