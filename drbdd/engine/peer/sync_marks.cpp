#include "drbdd/engine/peer/sync_marks.h"

namespace engine {

namespace {

constexpr io::Duration kApart = std::chrono::seconds(3);

}  // namespace

void SyncMarks::start(io::Instant now, std::uint64_t left_bits) {
    marks_.fill({now, left_bits});
    last_ = 0;
}

// One that stands still keeps its marks: its speed is that of the time in which it went on, and
// falls while nothing is done.
void SyncMarks::advance(io::Instant now, std::uint64_t left_bits) {
    const Mark& mark = marks_[last_];
    if (mark.left_bits == 0 && left_bits > 0) {
        return start(now, left_bits);  // only now is it known how much there is to do
    }
    if (now - mark.at >= kApart && mark.left_bits != left_bits) {
        last_ = (last_ + 1) % marks_.size();
        marks_[last_] = {now, left_bits};
    }
}

DoneSince SyncMarks::since(const Mark& mark, io::Instant now, std::uint64_t left_bits) {
    return {now - mark.at, mark.left_bits > left_bits ? mark.left_bits - left_bits : 0};
}

}  // namespace engine
