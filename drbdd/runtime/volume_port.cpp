#include "drbdd/runtime/volume_port.h"

#include "base/log.h"
#include "base/require.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace runtime {

namespace {

using Op = io::BlockRequest::Op;

// A request of many gigabytes (a discard of the whole device) must not flood the engine.
constexpr unsigned kMaxPiecesInFlight = 16;

engine::AppRequest::Op engine_op(Op op) {
    switch (op) {
        case Op::Read:
            return engine::AppRequest::Op::Read;
        case Op::Write:
            return engine::AppRequest::Op::Write;
        case Op::Flush:
            return engine::AppRequest::Op::Flush;
        case Op::Discard:
            return engine::AppRequest::Op::Discard;
        case Op::WriteZeroes:
            return engine::AppRequest::Op::WriteZeroes;
    }
    REQUIRE(false);
}

bool has_payload(Op op) {
    return op == Op::Read || op == Op::Write;
}

}  // namespace

struct VolumePort::Joint {
    io::BlockRequest request;
    std::uint64_t started = 0;  // bytes given to the engine
    unsigned in_flight = 0;
    int error = 0;  // of the first piece that failed
    io::Slice data;
};

VolumePort::VolumePort(boost::asio::io_context& context,
                       io::BufferPool& pool,
                       EventSink& events,
                       RequestIds& ids,
                       std::string resource,
                       const engine::VolumeSettings& settings,
                       BitmapView bitmap,
                       AllocationView allocation)
    : context_(context),
      pool_(pool),
      events_(events),
      ids_(ids),
      resource_(std::move(resource)),
      bitmap_(std::move(bitmap)),
      allocation_(std::move(allocation)) {
    status_.number = settings.number;
    status_.minor = settings.minor;
}

VolumePort::~VolumePort() = default;

std::string VolumePort::name() const {
    return base::format("drbd%u", status_.minor);
}

io::BlockDeviceInfo VolumePort::info() const {
    io::BlockDeviceInfo info;
    info.name = name();
    info.resource = resource_;
    info.volume = status_.number.value;
    info.minor = status_.minor;
    info.size_bytes = base::to_bytes({status_.size_sectors});
    info.block_bytes = status_.logical_block_bytes;
    info.rotational = status_.rotational;
    info.fast_zeroes = status_.fast_zeroes;
    info.has_bitmap = has_bitmap();
    return info;
}

// Before the attach has come to its end it is not all read, and with the disk it is gone.
bool VolumePort::has_bitmap() const {
    const engine::DiskState disk = status_.state.disk;
    return status_.has_metadata && disk >= engine::DiskState::Inconsistent &&
           disk != engine::DiskState::DUnknown;
}

std::optional<io::SyncRun> VolumePort::sync_run(std::uint64_t offset, std::uint64_t length) const {
    if (!has_bitmap()) {
        return std::nullopt;
    }
    const std::uint64_t end = offset + length;
    std::uint64_t block = offset / base::kBytesPerBit;
    const bool marked = bitmap_({block});
    do {
        ++block;
    } while (block * base::kBytesPerBit < end && bitmap_({block}) == marked);
    return io::SyncRun{std::min(end, block * base::kBytesPerBit) - offset, marked};
}

// Only a disk whose data are good knows where there are none: of others, reads are the peer's.
void VolumePort::map_allocation(std::uint64_t offset,
                                std::uint64_t length,
                                std::size_t most,
                                io::AllocationTold told) {
    if (allocation_ && status_.state.disk == engine::DiskState::UpToDate) {
        allocation_(offset, length, most, std::move(told));
    } else {
        boost::asio::post(context_, [told = std::move(told)] { told({}); });
    }
}

base::Result<void> VolumePort::open(bool /*writable*/, const std::string& who) {
    if (!status_.usable || open_forbidden_) {
        const char* reason = open_forbidden_ ? "is being demoted"
                             : status_.state.role == engine::Role::Primary
                                 ? "has no access to good data"
                                 : "is Secondary: promote it with 'drbdadm primary' first";
        return base::Error{base::ErrorCode::State,
                           base::format("%s (volume %u of resource %s) %s",
                                        name().c_str(),
                                        unsigned{status_.number.value},
                                        resource_.c_str(),
                                        reason)};
    }
    ++users_[who];
    return {};
}

void VolumePort::close(const std::string& who) {
    const auto found = users_.find(who);
    REQUIRE(found != users_.end());  // each close() is paired with an open()
    if (--found->second == 0) {
        users_.erase(found);
    }
}

std::string VolumePort::users_text() const {
    std::string text;
    for (const auto& [who, times] : users_) {
        text += (text.empty() ? "" : ", ") + who;
        if (times > 1) {
            text += base::format(" (%u times)", times);
        }
    }
    return text;
}

int VolumePort::check(const io::BlockRequest& request) const {
    if (status_.state.role != engine::Role::Primary) {
        return EROFS;
    }
    if (request.op == Op::Flush) {
        return 0;
    }
    // A peer with larger blocks may come while a user keeps to the smaller ones that it was told of
    // first: those go on working.
    if (request.length == 0 || request.offset % base::kSectorBytes != 0 ||
        request.length % base::kSectorBytes != 0) {
        return EINVAL;
    }
    if (has_payload(request.op) && request.payload.length != request.length) {
        return EINVAL;
    }
    const std::uint64_t size = base::to_bytes({status_.size_sectors});
    if (request.offset > size || request.length > size - request.offset) {
        const bool grows = request.op == Op::Write || request.op == Op::WriteZeroes;
        return grows ? ENOSPC : EINVAL;
    }
    return 0;
}

void VolumePort::submit(io::BlockRequest request) {
    if (const int error = check(request); error != 0) {
        boost::asio::post(context_, [done = std::move(request.done), error] { done(error, {}); });
        return;
    }
    const auto joint = std::make_shared<Joint>();
    joint->request = std::move(request);
    start_pieces(joint);
}

void VolumePort::start_pieces(const std::shared_ptr<Joint>& joint) {
    if (joint->request.op == Op::Flush) {
        start_piece(joint);
        return;
    }
    while (joint->error == 0 && joint->started < joint->request.length &&
           joint->in_flight < kMaxPiecesInFlight) {
        start_piece(joint);
    }
}

void VolumePort::start_piece(const std::shared_ptr<Joint>& joint) {
    const io::BlockRequest& request = joint->request;
    const std::uint64_t limit =
        request.op == Op::Discard ? engine::kMaxAppDiscardBytes : engine::kMaxAppBytes;
    Piece piece;
    piece.joint = joint;
    piece.offset = joint->started;
    piece.length = std::min(limit, request.length - joint->started);

    engine::AppRequest app;
    app.id = ids_.next();
    app.volume = status_.number;
    app.op = engine_op(request.op);
    app.fua = request.fua;
    app.may_unmap = request.may_unmap;
    app.sector = base::sectors_rounding_down(request.offset + piece.offset);
    app.length = piece.length;
    if (has_payload(request.op)) {
        app.payload = request.payload.part(piece.offset, piece.length);
    }
    joint->started += piece.length;
    ++joint->in_flight;
    pieces_.emplace(app.id.value, std::move(piece));
    events_.on_event(std::move(app));
}

bool VolumePort::complete(const engine::CompleteApp& completion) {
    const auto found = pieces_.find(completion.id.value);
    if (found == pieces_.end()) {
        return false;
    }
    const Piece piece = std::move(found->second);
    pieces_.erase(found);
    Joint& joint = *piece.joint;
    --joint.in_flight;
    if (completion.error != 0 && joint.error == 0) {
        joint.error = completion.error;
    } else if (completion.error == 0 && joint.request.op == Op::Read) {
        take_data(joint, piece, completion.data);
    }
    if (joint.request.op != Op::Flush) {
        start_pieces(piece.joint);
    }
    if (joint.in_flight == 0) {
        joint.request.done(joint.error, joint.error == 0 ? joint.data : io::Slice{});
    }
    return true;
}

// A whole read is passed on as it came. The pieces of a larger one belong into the room that the
// reader gave; only what the engine found elsewhere (a remote read) is copied there.
void VolumePort::take_data(Joint& joint, const Piece& piece, const io::Slice& data) {
    REQUIRE(data.length == piece.length);
    if (piece.length == joint.request.length) {
        joint.data = data;
        return;
    }
    joint.data = joint.request.payload;
    const io::Slice room = joint.request.payload.part(piece.offset, piece.length);
    if (room.bytes().data() != data.bytes().data()) {
        std::memcpy(room.bytes().data(), data.bytes().data(), data.length);
    }
}

}  // namespace runtime
