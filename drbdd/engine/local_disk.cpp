#include "drbdd/engine/local_disk.h"

#include "base/require.h"

namespace engine {

void LocalDisk::open(const io::DiskGeometry& geometry) {
    REQUIRE(!open_ && tickets_.empty());
    geometry_ = geometry;
    open_ = true;
    refusing_ = false;
}

void LocalDisk::close() {
    REQUIRE(open_ && tickets_.empty());
    open_ = false;
    core_.emit(CloseDisk{volume_});
}

void LocalDisk::submit(DiskUser user, std::uint64_t key, io::DiskOp op) {
    REQUIRE(open_ && !refusing_);
    op.id = io::IoId{next_id_++};
    tickets_.emplace(op.id.value, DiskTicket{user, key, op});
    core_.emit(SubmitDisk{volume_, std::move(op)});
}

DiskTicket LocalDisk::take(io::IoId id) {
    const auto found = tickets_.find(id.value);
    REQUIRE(found != tickets_.end());
    DiskTicket ticket = std::move(found->second);
    tickets_.erase(found);
    return ticket;
}

}  // namespace engine
