#include "drbdd/engine/volume/bitmap.h"

#include "base/require.h"
#include "meta/bitmap_area.h"

#include <algorithm>
#include <bit>

namespace engine {

namespace {

constexpr std::uint64_t kWordsPerPage = Bitmap::kPageBytes / 8;

// Bits `first`..63 of a word.
std::uint64_t from_bit(std::uint64_t first) {
    return ~std::uint64_t{0} << first;
}

}  // namespace

void Bitmap::resize(base::Sector device_size, bool new_bits) {
    const std::uint64_t old_bits = bits_;
    device_size_ = device_size;
    bits_ = meta::bitmap_bits(device_size);
    words_.resize(meta::bitmap_words(device_size), 0);
    changed_.resize(pages(), false);
    if (!words_.empty()) {
        words_.back() &= end_mask(words_.size() - 1);
    }
    recount();
    if (bits_ > old_bits) {
        if (new_bits) {
            set_bits(old_bits, bits_ - old_bits);
        }
        for (std::uint64_t page = old_bits / kBitsPerPage; page < pages(); ++page) {
            changed_[page] = true;
        }
    }
}

std::uint64_t Bitmap::pages() const {
    return (words_.size() + kWordsPerPage - 1) / kWordsPerPage;
}

bool Bitmap::test(std::uint64_t bit) const {
    REQUIRE(bit < bits_);
    return (words_[bit / 64] >> (bit % 64) & 1) != 0;
}

bool Bitmap::any_set(base::Sector from, std::uint64_t bytes) const {
    if (bytes == 0) {
        return false;
    }
    const std::uint64_t first = base::bit_rounding_down(from).value;
    const std::uint64_t end =
        std::min(bits_, base::bit_rounding_up(from + base::sectors_rounding_up(bytes)).value);
    return first < end && run_end(first, end, false) < end;
}

std::uint64_t Bitmap::find_set(std::uint64_t from) const {
    return from >= bits_ ? bits_ : run_end(from, bits_, false);
}

std::uint64_t Bitmap::run_end(std::uint64_t from, std::uint64_t end, bool value) const {
    REQUIRE(end <= bits_);
    const std::uint64_t invert = value ? ~std::uint64_t{0} : 0;
    std::uint64_t word = from / 64;
    std::uint64_t differing = from < end ? (words_[word] ^ invert) & from_bit(from % 64) : 0;
    while (from < end) {
        if (differing != 0) {
            return std::min(end,
                            word * 64 + static_cast<std::uint64_t>(std::countr_zero(differing)));
        }
        ++word;
        from = word * 64;
        if (from < end) {
            differing = words_[word] ^ invert;
        }
    }
    return end;
}

std::uint64_t Bitmap::set_touched(base::Sector from, std::uint64_t bytes) {
    const std::uint64_t first = base::bit_rounding_down(from).value;
    const std::uint64_t end =
        std::min(bits_, base::bit_rounding_up(from + base::sectors_rounding_up(bytes)).value);
    return first < end ? set_bits(first, end - first) : 0;
}

std::uint64_t Bitmap::clear_covered(base::Sector from, std::uint64_t bytes) {
    const base::Sector to = from + base::sectors_rounding_down(bytes);
    const std::uint64_t first = base::bit_rounding_up(from).value;
    const std::uint64_t end = to >= device_size_ ? bits_ : base::bit_rounding_down(to).value;
    return first < end ? apply(first, end, false) : 0;
}

std::uint64_t Bitmap::set_bits(std::uint64_t first, std::uint64_t count) {
    REQUIRE(first + count <= bits_);
    return apply(first, first + count, true);
}

// Sets or clears [first, end); returns how many bits that changed.
std::uint64_t Bitmap::apply(std::uint64_t first, std::uint64_t end, bool value) {
    std::uint64_t flipped = 0;
    while (first < end) {
        const std::uint64_t index = first / 64;
        std::uint64_t mask = from_bit(first % 64);
        if ((index + 1) * 64 > end) {
            mask &= meta::tail_mask(end);
        }
        const std::uint64_t differing = (value ? ~words_[index] : words_[index]) & mask;
        if (differing != 0) {
            words_[index] ^= differing;
            flipped += static_cast<std::uint64_t>(std::popcount(differing));
            changed_[index / kWordsPerPage] = true;
        }
        first = (index + 1) * 64;
    }
    count_ = value ? count_ + flipped : count_ - flipped;
    cleared_ = cleared_ || (!value && flipped > 0);
    return flipped;
}

void Bitmap::set_all() {
    if (bits_ > 0) {
        apply(0, bits_, true);
    }
    mark_all_changed();
}

void Bitmap::clear_all() {
    if (bits_ > 0) {
        apply(0, bits_, false);
    }
    mark_all_changed();
}

void Bitmap::or_word(std::uint64_t index, std::uint64_t value) {
    REQUIRE(index < words_.size());
    const std::uint64_t added = value & end_mask(index) & ~words_[index];
    if (added != 0) {
        words_[index] |= added;
        count_ += static_cast<std::uint64_t>(std::popcount(added));
        changed_[index / kWordsPerPage] = true;
    }
}

void Bitmap::load_page(std::uint64_t page, base::ConstBytes bytes) {
    REQUIRE(bytes.size() == kPageBytes);
    const std::uint64_t first = page * kWordsPerPage;
    const std::uint64_t last = std::min<std::uint64_t>(words_.size(), first + kWordsPerPage);
    for (std::uint64_t index = first; index < last; ++index) {
        const std::uint64_t value = base::get_le64(bytes, (index - first) * 8) & end_mask(index);
        count_ -= static_cast<std::uint64_t>(std::popcount(words_[index]));
        count_ += static_cast<std::uint64_t>(std::popcount(value));
        words_[index] = value;
    }
    changed_[page] = false;
}

void Bitmap::take_page(std::uint64_t page, base::Bytes out) {
    REQUIRE(out.size() == kPageBytes);
    const std::uint64_t first = page * kWordsPerPage;
    for (std::uint64_t i = 0; i < kWordsPerPage; ++i) {
        base::put_le64(out, i * 8, first + i < words_.size() ? words_[first + i] : 0);
    }
    changed_[page] = false;
}

void Bitmap::mark_all_changed() {
    changed_.assign(changed_.size(), true);
}

std::vector<std::uint64_t> Bitmap::changed_pages() const {
    std::vector<std::uint64_t> list;
    for (std::uint64_t page = 0; page < changed_.size(); ++page) {
        if (changed_[page]) {
            list.push_back(page);
        }
    }
    return list;
}

std::uint64_t Bitmap::end_mask(std::uint64_t word) const {
    return word + 1 == words_.size() ? meta::tail_mask(bits_) : ~std::uint64_t{0};
}

void Bitmap::recount() {
    count_ = 0;
    for (const std::uint64_t word : words_) {
        count_ += static_cast<std::uint64_t>(std::popcount(word));
    }
}

}  // namespace engine
