#include "meta/activity_log.h"

#include "base/crc32c.h"
#include "base/require.h"
#include "meta/slot_table.h"

#include <algorithm>

namespace meta {

using base::Bytes;
using base::ConstBytes;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kCrcAt = 8;
constexpr std::size_t kUpdateSlotsAt = 36;
constexpr std::size_t kUpdateExtentsAt = 164;
constexpr std::size_t kContextAt = 420;
static_assert(kContextAt + kAlContextPerTransaction * 4 == kBlockBytes);

// The CRC covers the block with its own field taken as zero.
std::uint32_t block_crc(ConstBytes block) {
    static constexpr std::uint8_t kZero[4] = {};
    std::uint32_t crc = base::crc32c_raw(0, block.first(kCrcAt));
    crc = base::crc32c_raw(crc, kZero);
    return base::crc32c_raw(crc, block.subspan(kCrcAt + sizeof kZero));
}

std::vector<AlUpdate> decode_updates(ConstBytes block, std::size_t n_updates) {
    std::vector<AlUpdate> updates;
    for (std::size_t i = 0; i < kAlUpdatesPerTransaction; ++i) {
        const AlUpdate update{base::get_be16(block, kUpdateSlotsAt + i * 2),
                              base::get_be32(block, kUpdateExtentsAt + i * 4)};
        if (i < n_updates || update.slot != kAlSlotFree) {
            updates.push_back(update);
        }
    }
    return updates;
}

std::vector<std::uint32_t> decode_context(ConstBytes block, std::size_t wanted) {
    std::size_t count = kAlContextPerTransaction;
    while (count > wanted && base::get_be32(block, kContextAt + (count - 1) * 4) == kAlExtentFree) {
        --count;
    }
    std::vector<std::uint32_t> context(count);
    for (std::size_t i = 0; i < count; ++i) {
        context[i] = base::get_be32(block, kContextAt + i * 4);
    }
    return context;
}

// Context is what was before the transaction's own updates.
void apply(const AlTransaction& transaction, SlotTable& table) {
    for (std::uint32_t i = 0; i < transaction.context.size(); ++i) {
        const std::uint32_t slot = transaction.context_start + i;
        const bool unused = transaction.context[i] == kAlExtentFree;
        if (!unused || slot < transaction.context_size) {
            table.set(slot, transaction.context[i]);
        }
    }
    for (const AlUpdate& update : transaction.updates) {
        table.set(update.slot, update.extent);
    }
}

std::int32_t distance(std::uint32_t from, std::uint32_t to) {
    return static_cast<std::int32_t>(to - from);
}

// In the order of their numbers, not of their place in the ring: where the number wraps in a ring
// whose size is not a power of two, the place jumps (4.3).
void sort_by_number(std::vector<AlTransaction>& transactions) {
    std::uint32_t oldest = transactions.front().tr_number;
    for (const AlTransaction& transaction : transactions) {
        if (distance(oldest, transaction.tr_number) < 0) {
            oldest = transaction.tr_number;
        }
    }
    std::stable_sort(transactions.begin(),
                     transactions.end(),
                     [oldest](const AlTransaction& a, const AlTransaction& b) {
                         return distance(oldest, a.tr_number) < distance(oldest, b.tr_number);
                     });
}

}  // namespace

std::uint32_t max_slots(std::uint64_t al_blocks) {
    if (al_blocks == 0) {
        return 0;
    }
    const std::uint64_t carried = (al_blocks - 1) * kAlContextPerTransaction;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(carried, kAlSlotLimit));
}

std::size_t context_count(std::uint32_t context_size, std::uint32_t context_start) {
    const std::size_t left = context_size > context_start ? context_size - context_start : 0;
    return std::min(left, kAlContextPerTransaction);
}

std::uint64_t ring_position(std::uint32_t tr_number,
                            std::uint32_t al_stripes,
                            std::uint32_t al_stripe_size_4k) {
    const std::uint64_t blocks = std::uint64_t{al_stripes} * al_stripe_size_4k;
    REQUIRE(blocks != 0);
    const std::uint64_t k = tr_number % blocks;
    return k % al_stripes * al_stripe_size_4k + k / al_stripes;
}

void encode(const AlTransaction& transaction, Bytes block) {
    REQUIRE(block.size() == kBlockBytes);
    REQUIRE(transaction.updates.size() <= kAlUpdatesPerTransaction);
    REQUIRE(transaction.context.size() <= kAlContextPerTransaction);
    std::fill(block.begin(), block.end(), std::uint8_t{0});
    std::fill(block.begin() + kUpdateSlotsAt, block.end(), std::uint8_t{0xFF});
    base::put_be32(block, 0, kAlMagic);
    base::put_be32(block, 4, transaction.tr_number);
    base::put_be16(block, 12, transaction.type);
    base::put_be16(block, 14, static_cast<std::uint16_t>(transaction.updates.size()));
    base::put_be16(block, 16, transaction.context_size);
    base::put_be16(block, 18, transaction.context_start);
    for (std::size_t i = 0; i < transaction.updates.size(); ++i) {
        base::put_be16(block, kUpdateSlotsAt + i * 2, transaction.updates[i].slot);
        base::put_be32(block, kUpdateExtentsAt + i * 4, transaction.updates[i].extent);
    }
    for (std::size_t i = 0; i < transaction.context.size(); ++i) {
        base::put_be32(block, kContextAt + i * 4, transaction.context[i]);
    }
    base::put_be32(block, kCrcAt, block_crc(block));
}

// Unlike an update transaction, unused slots are zero here, not all ones.
void initialized_block(Bytes block) {
    REQUIRE(block.size() == kBlockBytes);
    std::fill(block.begin(), block.end(), std::uint8_t{0});
    base::put_be32(block, 0, kAlMagic);
    base::put_be16(block, 12, kAlTypeInitialized);
    base::put_be32(block, kCrcAt, block_crc(block));
}

Result<AlTransaction> decode_al_block(ConstBytes block) {
    REQUIRE(block.size() == kBlockBytes);
    if (base::get_be32(block, 0) != kAlMagic) {
        return Error{ErrorCode::NotFound, "not an activity log block: the magic number is missing"};
    }
    if (base::get_be32(block, kCrcAt) != block_crc(block)) {
        return Error{ErrorCode::Invalid, "activity log block with a wrong CRC: a torn write"};
    }
    AlTransaction transaction;
    transaction.tr_number = base::get_be32(block, 4);
    transaction.type = base::get_be16(block, 12);
    if (transaction.type == kAlTypeInitialized) {
        return transaction;
    }
    transaction.updates = decode_updates(block, base::get_be16(block, 14));
    transaction.context_size = base::get_be16(block, 16);
    transaction.context_start = base::get_be16(block, 18);
    transaction.context =
        decode_context(block, context_count(transaction.context_size, transaction.context_start));
    return transaction;
}

Result<AlReplay> replay(const std::vector<ConstBytes>& blocks,
                        std::uint32_t al_stripes,
                        std::uint32_t al_stripe_size_4k) {
    REQUIRE(!blocks.empty() && blocks.size() == std::uint64_t{al_stripes} * al_stripe_size_4k);
    AlReplay result;
    std::vector<AlTransaction> transactions;
    bool first_invalid = false;
    for (std::uint32_t k = 0; k < blocks.size(); ++k) {
        Result<AlTransaction> block =
            decode_al_block(blocks[ring_position(k, al_stripes, al_stripe_size_4k)]);
        if (!block) {
            ++result.invalid_blocks;
            first_invalid = first_invalid || k == 0;
        } else if (block->type != kAlTypeInitialized) {
            transactions.push_back(std::move(block).value());
        }
    }
    if (result.invalid_blocks == blocks.size()) {
        return Error{ErrorCode::NotFound, "no usable activity log found: no block is valid"};
    }
    if (transactions.empty()) {
        // A single invalid block is fine only where the very first transaction was to be written.
        if (result.invalid_blocks == 0 || (result.invalid_blocks == 1 && first_invalid)) {
            return result;
        }
        return Error{ErrorCode::Invalid,
                     "no usable activity log found: initialized, but with damaged blocks"};
    }
    sort_by_number(transactions);
    SlotTable table;
    for (const AlTransaction& transaction : transactions) {
        apply(transaction, table);
    }
    result.update_transactions = static_cast<std::uint32_t>(transactions.size());
    result.active = table.active();
    result.ignored_slots = table.ignored();
    return result;
}

}  // namespace meta
