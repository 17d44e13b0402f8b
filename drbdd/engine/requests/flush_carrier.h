// A block that both nodes have, kept to be sent again together with a flush: a peer that runs the
// kernel's DRBD crashes on a flush without data where data-integrity-alg is set. Wire
// specification, section 6.4.
#pragma once

#include "drbdd/engine/events.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace engine {

class FlushCarrier {
public:
    struct Block {
        base::Sector sector;
        std::uint64_t bytes = 0;
        io::Slice data{};  // none: zeroes
    };

    // Completed by both nodes, and nobody writes there since.
    void written(const AppRequest& app) {
        const std::uint64_t bytes = std::min<std::uint64_t>(app.length, kMostBytes);
        block_ = Block{app.sector, bytes, {}};
        if (app.op == AppRequest::Op::Write) {
            block_->data = app.payload.part(0, bytes);
        }
    }

    // Somebody begins to write there.
    void overwritten(base::Sector sector, std::uint64_t bytes) {
        if (block_ && block_->sector < sector + base::sectors_rounding_up(bytes) &&
            sector < block_->sector + base::sectors_rounding_up(block_->bytes)) {
            block_.reset();
        }
    }

    void forget() { block_.reset(); }

    bool has_any() const { return block_.has_value(); }

    // Its data as a payload.
    Block block(io::BufferPool& pool) const {
        Block block = block_.value();
        if (block.data.empty()) {
            block.data = pool.allocate_slice(block.bytes);
            std::memset(block.data.bytes().data(), 0, block.bytes);
        }
        return block;
    }

private:
    static constexpr std::uint64_t kMostBytes = 4096;

    std::optional<Block> block_;
};

}  // namespace engine
