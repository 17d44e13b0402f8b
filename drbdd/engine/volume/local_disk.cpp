#include "drbdd/engine/volume/local_disk.h"

#include "base/require.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace engine {

void LocalDisk::open(const io::DiskGeometry& geometry) {
    REQUIRE(!open_ && outstanding() == 0);
    geometry_ = geometry;
    blocks_.set_block(geometry.logical_block_bytes);
    open_ = true;
    refusing_ = false;
}

void LocalDisk::close() {
    REQUIRE(open_ && outstanding() == 0);
    open_ = false;
    core_.emit(CloseDisk{volume_});
}

std::vector<DiskTicket> LocalDisk::abandon() {
    REQUIRE(open_ && refusing_);
    open_ = false;
    if (outstanding() == 0) {
        core_.emit(CloseDisk{volume_});
    } else {
        core_.emit(AbandonDisk{volume_});
    }
    std::vector<DiskTicket> left;
    for (Ended& ended : std::exchange(ended_, {})) {
        left.push_back(std::move(ended.ticket));
    }
    for (auto& [id, ticket] : std::exchange(tickets_, {})) {
        left.push_back(std::move(ticket));
    }
    blocks_.abandon(left);
    return left;
}

io::IoId LocalDisk::issue(io::DiskOp op) {
    op.id = io::IoId{next_id_++};
    const io::IoId id = op.id;
    core_.emit(SubmitDisk{volume_, std::move(op)});
    return id;
}

void LocalDisk::submit(DiskUser user, std::uint64_t key, io::DiskOp op) {
    REQUIRE(open_ && !refusing_);
    if (blocks_.wants(op)) {
        blocks_.add(DiskTicket{user, key, std::move(op), core_.now});
        return;
    }
    const io::IoId id = issue(op);
    tickets_.emplace(id.value, DiskTicket{user, key, std::move(op), core_.now});
}

io::Instant LocalDisk::oldest() const {
    const io::Instant whole = tickets_.empty() ? io::kNever : tickets_.begin()->second.issued;
    return std::min(whole, blocks_.oldest());
}

void LocalDisk::on_done(io::IoId id, int error) {
    if (blocks_.on_done(id, error)) {
        return;
    }
    const auto found = tickets_.find(id.value);
    REQUIRE(found != tickets_.end());  // an id that is not outstanding is a bug of the runtime
    if (needs_larger_blocks(found->second.op, error)) {
        use_larger_blocks();
        blocks_.on_done(id, error);
        return;
    }
    end(std::move(found->second), error);
    tickets_.erase(found);
}

std::optional<LocalDisk::Ended> LocalDisk::take_ended() {
    if (ended_.empty()) {
        return std::nullopt;
    }
    Ended ended = std::move(ended_.front());
    ended_.pop_front();
    return ended;
}

// A disk may have larger sectors than it told, or be given them later: a loop device, a file on
// another file system. That it refuses a part of one is no fault of the disk.
bool LocalDisk::needs_larger_blocks(const io::DiskOp& op, int error) const {
    return error == EINVAL && op.kind != io::DiskOp::Kind::Flush &&
           geometry_.logical_block_bytes < kLargestBlock && !is_aligned(op, kLargestBlock);
}

void LocalDisk::use_larger_blocks() {
    core_.log(base::LogLevel::Warning,
              base::format("volume %u: the backing disk refuses requests that are not multiples of "
                           "%u bytes: whole blocks from now on",
                           unsigned{volume_.value},
                           kLargestBlock));
    geometry_.logical_block_bytes = kLargestBlock;
    blocks_.set_block(kLargestBlock);
    for (auto it = tickets_.begin(); it != tickets_.end();) {
        if (it->second.op.kind == io::DiskOp::Kind::Flush) {
            ++it;
            continue;
        }
        blocks_.adopt(io::IoId{it->first}, std::move(it->second));
        it = tickets_.erase(it);
    }
}

}  // namespace engine
