// The bitmap in memory: bit set = this 4 KiB block differs, or may differ, from the peer's. It may
// say so too often, never too rarely. Pages (4 KiB of bitmap) that changed since they were last
// copied for writing are remembered. Metadata specification, section 5.
#pragma once

#include "base/bytes.h"
#include "base/units.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace engine {

class Bitmap {
public:
    static constexpr std::uint64_t kPageBytes = 4096;
    static constexpr std::uint64_t kBitsPerPage = kPageBytes * 8;

    // Grows or shrinks to the size of the device; new bits get `new_bits`.
    void resize(base::Sector device_size, bool new_bits);

    std::uint64_t bits() const { return bits_; }

    std::uint64_t count() const { return count_; }  // of set bits

    bool all_set() const { return bits_ > 0 && count_ == bits_; }

    std::uint64_t pages() const;

    bool test(std::uint64_t bit) const;
    bool any_set(base::Sector from, std::uint64_t bytes) const;
    // First bit >= from that is set, or bits() if none.
    std::uint64_t find_set(std::uint64_t from) const;
    // First bit in [from, end) that is not `value`, or end.
    std::uint64_t run_end(std::uint64_t from, std::uint64_t end, bool value) const;

    // Every block touched (rounds outwards). Returns how many bits were not set before.
    std::uint64_t set_touched(base::Sector from, std::uint64_t bytes);
    // Every block wholly covered (rounds inwards; the device's last, partial block counts as
    // covered when the range reaches the device's end). Returns how many bits were set before.
    std::uint64_t clear_covered(base::Sector from, std::uint64_t bytes);

    // True if bits were cleared since the last call. What they stand for may not be durable yet, so
    // a page that says so must not reach the disk before a flush of the data.
    bool take_cleared() { return std::exchange(cleared_, false); }

    std::uint64_t set_bits(std::uint64_t first, std::uint64_t count);
    void set_all();
    void clear_all();

    // 64-bit words in wire and disk order.
    std::uint64_t words() const { return words_.size(); }

    std::uint64_t word(std::uint64_t index) const { return words_[index]; }

    void or_word(std::uint64_t index, std::uint64_t value);  // bits beyond the end are dropped

    // The content read from disk replaces a page; bits beyond the end are dropped.
    void load_page(std::uint64_t page, base::ConstBytes bytes);
    // Copies a page for writing and takes note that what is in memory now is on its way.
    void take_page(std::uint64_t page, base::Bytes out);

    bool page_changed(std::uint64_t page) const { return changed_[page]; }

    void mark_page_changed(std::uint64_t page) { changed_[page] = true; }

    void mark_all_changed();
    std::vector<std::uint64_t> changed_pages() const;

private:
    std::uint64_t end_mask(std::uint64_t word) const;
    std::uint64_t apply(std::uint64_t first, std::uint64_t last, bool value);
    void recount();

    base::Sector device_size_;
    std::uint64_t bits_ = 0;
    std::uint64_t count_ = 0;
    std::vector<std::uint64_t> words_;
    std::vector<bool> changed_;
    bool cleared_ = false;
};

}  // namespace engine
