#include "drbdd/engine/peer/resync.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/encoded.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>

namespace engine {

namespace {

constexpr std::uint64_t kIdleWindow = 8u << 20;
constexpr std::uint64_t kBusyWindow = 128u << 10;
constexpr std::uint64_t kBusyRequest = 64u << 10;
constexpr std::uint64_t kComparedRequest = 64u << 10;  // with one difference all of it is copied
constexpr std::uint64_t kSourceReads = 16;             // in flight
constexpr std::size_t kSourceQueue = 65536;            // requests; more is an attack or a bug
constexpr io::Duration kBusyFor = std::chrono::milliseconds(100);
constexpr io::Duration kRefill = std::chrono::milliseconds(10);

bool on_device(const Device& device, base::Sector sector, std::uint64_t bytes) {
    return bytes > 0 && bytes <= proto::kMaxDataBytes && device.covers(sector, bytes);
}

}  // namespace

// --- Pace ---

std::uint64_t ResyncPacer::window(const DiskSettings& settings, bool application_busy) {
    const std::uint64_t fill = std::uint64_t{settings.c_fill_target} * base::kSectorBytes;
    return application_busy ? std::max(kBusyWindow, fill) : std::max(kIdleWindow, fill);
}

std::uint64_t ResyncPacer::largest_request(bool application_busy) {
    return application_busy ? kBusyRequest : proto::kMaxDataBytes;
}

std::uint64_t ResyncPacer::rate_limit(const DiskSettings& settings) {
    if (settings.resync_rate_fixed) {
        return std::uint64_t{settings.resync_rate_kib} * 1024;
    }
    return std::uint64_t{settings.c_max_rate_kib} * 1024;
}

// A resync that was fast for long has no credit for being slow as long: what it is ahead is
// forgotten but for a second, or one large request.
bool ResyncPacer::gives_way(io::Instant now, const DiskSettings& settings, bool application_busy) {
    const std::int64_t rate = std::int64_t{settings.c_min_rate_kib} * 1024;
    if (const io::Duration elapsed = now - last_owed_; elapsed >= kRefill) {
        const double seconds = std::min(std::chrono::duration<double>(elapsed).count(), 1.0);
        const std::int64_t ahead = std::max<std::int64_t>(rate, proto::kMaxDataBytes);
        owed_ = std::max(owed_, -ahead) +
                static_cast<std::int64_t>(static_cast<double>(rate) * seconds);
        owed_ = std::min(owed_, rate);
        last_owed_ = now;
    }
    return application_busy && rate != 0 && owed_ <= 0;
}

void ResyncPacer::refill(io::Instant now, const DiskSettings& settings) {
    const std::uint64_t rate = rate_limit(settings);
    const auto elapsed = std::min<io::Duration>(now - last_refill_, std::chrono::seconds(1));
    if (elapsed >= kRefill) {
        const double gained =
            static_cast<double>(rate) * std::chrono::duration<double>(elapsed).count();
        tokens_ = std::min(tokens_ + static_cast<std::int64_t>(gained),
                           static_cast<std::int64_t>(rate / 10 + proto::kMaxDataBytes));
        last_refill_ = now;
    }
}

io::Instant ResyncPacer::next_refill(const DiskSettings& settings) const {
    return rate_limit(settings) != 0 && tokens_ <= 0 ? last_refill_ + kRefill : io::kNever;
}

// --- Target ---

void ResyncTarget::start(std::unique_ptr<base::Digest> digest) {
    REQUIRE(!running_);
    running_ = true;
    digest_ = std::move(digest);
    equal_bits_ = 0;
    cursor_ = 0;
    failed_bits_ = 0;
    requested_.clear();
    in_flight_ = comparing_ = 0;
    fetching_.clear();
    ++serial_;
    pacer_.start(core_.now);
    core_.progress = true;
}

void ResyncTarget::stop() {
    running_ = false;
    for (const io::DiskOp& op : deferred_) {
        writing_.remove(op.sector, serial_);
        if (!rewriting_.contains(op.sector)) {
            device_.peer.send_ack(proto::Command::NegAck, op.sector, proto::kIdSyncer, op.length);
        }
    }
    rewriting_.clear();
    compared_.clear();
    deferred_.clear();
    requested_.clear();
    fetching_.clear();
    in_flight_ = comparing_ = 0;
    ++serial_;
}

bool ResyncTarget::application_busy() const {
    return core_.now - device_.requests.last_activity() < kBusyFor;
}

// It may ask and write.
bool ResyncTarget::active() const {
    return running_ && device_.state().conn == ConnState::SyncTarget && device_.local_usable();
}

void ResyncTarget::advance() {
    if (!active()) {
        return;
    }
    write_deferred();
    const DiskSettings& settings = device_.settings().disk;
    const bool busy = application_busy();
    pacer_.refill(core_.now, settings);
    bool narrow = pacer_.gives_way(core_.now, settings, busy);
    while (in_flight_ < ResyncPacer::window(settings, narrow) && pacer_.may_send(settings) &&
           request_next(narrow)) {
        narrow = pacer_.gives_way(core_.now, settings, busy);
    }
}

// Asks for the next stretch of set bits; false if there is none (now).
bool ResyncTarget::request_next(bool busy) {
    Bitmap& bitmap = device_.bitmap;
    const std::uint64_t bit = bitmap.find_set(cursor_);
    if (bit >= bitmap.bits()) {
        // Bits may have been set behind us: start over, once nothing is under way. Not after a
        // failure, or a bad block would be asked for for ever.
        const bool again = idle() && cursor_ > 0 && bitmap.count() > 0 && failed_bits_ == 0;
        cursor_ = again ? 0 : bitmap.bits();
        return again && request_next(busy);
    }
    cursor_ = bit;  // what was passed over is not looked at again
    const base::Sector sector = base::first_sector(base::BitIndex{bit});
    const std::uint64_t most = largest_request(busy);
    const std::uint64_t bits = extend(bit, most / base::kBytesPerBit);
    const std::uint64_t bytes = std::min(
        bits * base::kBytesPerBit, (device_.size_sectors() - sector.value) * base::kSectorBytes);
    if (device_.requests.busy(sector, bytes) || device_.peer_busy(sector, bytes)) {
        return false;  // an application write is under way there: it comes first
    }
    core_.work.add();
    cursor_ = bit + bits;
    in_flight_ += bytes;
    fetching_.add(sector, bytes, serial_);
    pacer_.spend(bytes);
    if (digest_ != nullptr) {
        compare(sector, bytes);
    } else {
        ask(proto::Command::RsDataRequest, sector, bytes, {});
    }
    return true;
}

std::uint64_t ResyncTarget::largest_request(bool busy) const {
    const std::uint64_t most = ResyncPacer::largest_request(busy);
    return digest_ != nullptr ? std::min(most, kComparedRequest) : most;
}

void ResyncTarget::ask(proto::Command command,
                       base::Sector sector,
                       std::uint64_t bytes,
                       base::ConstBytes digest) {
    requested_[sector] = bytes;
    const proto::BlockReq request{sector, proto::kIdSyncer, static_cast<std::uint32_t>(bytes)};
    device_.peer_connection().send_data(command, device_.number(), with_digest(request, digest));
}

// What the source writes meanwhile does no harm: it compares with all that it has sent us until
// then, so an equal block is what we have once we have written that.
void ResyncTarget::compare(base::Sector sector, std::uint64_t bytes) {
    ++comparing_;
    device_.disk.submit(DiskUser::ResyncCompare, serial_, read_of(core_.pool, sector, bytes));
}

// What can't be read may become readable when it is written.
void ResyncTarget::on_own_read(const DiskTicket& ticket, int error) {
    const io::DiskOp& op = ticket.op;
    core_.progress = true;
    if (error != 0) {
        device_.disk_failed(false, base::format("resync read: errno %d", error));
    }
    if (!running_ || ticket.key != serial_) {
        return;
    }
    --comparing_;
    if (!device_.local_usable()) {
        forget(op.sector, op.length);
    } else if (error != 0) {
        ask(proto::Command::RsDataRequest, op.sector, op.length, {});
    } else {
        std::vector<std::uint8_t> digest(digest_->size());
        digest_->compute(op.buffer.bytes(), digest);
        if (device_.doubts_its_cache()) {
            compared_[op.sector] = op.buffer;
        }
        ask(proto::Command::CsumRsRequest, op.sector, op.length, digest);
    }
}

// Following set bits, as far as size, alignment and the 16 MiB extent allow (8.2).
std::uint64_t ResyncTarget::extend(std::uint64_t first, std::uint64_t most) const {
    constexpr std::uint64_t kBitsPerBmExtent = base::kSectorsPerBmExtent / base::kSectorsPerBit;
    std::uint64_t allowed = 1;
    while (allowed * 2 <= most && first % (allowed * 2) == 0) {
        allowed *= 2;
    }
    const std::uint64_t border = (first / kBitsPerBmExtent + 1) * kBitsPerBmExtent;
    const std::uint64_t end = std::min({first + allowed, border, device_.bitmap.bits()});
    return device_.bitmap.run_end(first, end, true) - first;
}

io::Instant ResyncTarget::next_deadline() const {
    if (!active()) {
        return io::kNever;
    }
    // With a full window it is a reply that lets it go on, not time.
    const DiskSettings& settings = device_.settings().disk;
    io::Instant next = in_flight_ < ResyncPacer::window(settings, false)
                           ? pacer_.next_refill(settings)
                           : io::kNever;
    if (in_flight_ == 0) {
        next = std::min(next, core_.now + kBusyFor);  // look again for what was busy
    }
    return next;
}

bool ResyncTarget::done() const {
    return running_ && idle() &&
           (device_.bitmap.count() == 0 || (failed_bits_ > 0 && cursor_ >= device_.bitmap.bits()));
}

base::Result<void> ResyncTarget::on_reply(const proto::Data& data, io::Slice payload) {
    if (!running_) {
        device_.peer.send_ack(
            proto::Command::NegAck, data.sector, proto::kIdSyncer, payload.length);
        return {};  // the resync was ended in the meantime: drained
    }
    const auto found = requested_.find(data.sector);
    if (found == requested_.end() || found->second != payload.length) {
        return base::Error{base::ErrorCode::Invalid,
                           "a resync block arrived that was not asked for"};
    }
    requested_.erase(found);
    compared_.erase(data.sector);
    device_.counters.received += payload.length / base::kSectorBytes;
    if (!device_.local_usable()) {
        forget(data.sector, payload.length);
        device_.peer.send_ack(
            proto::Command::NegAck, data.sector, proto::kIdSyncer, payload.length);
        return {};
    }
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::Write;
    op.sector = data.sector;
    op.length = payload.length;
    op.buffer = std::move(payload);
    write(std::move(op));
    return {};
}

base::Result<void> ResyncTarget::on_deallocated(const proto::BlockDesc& block) {
    if (!running_) {
        return {};
    }
    const auto found = requested_.find(block.sector);
    if (found == requested_.end() || found->second != block.size) {
        return base::Error{base::ErrorCode::Invalid,
                           "a resync block was reported empty that was not asked for"};
    }
    requested_.erase(found);
    io::DiskOp op;
    op.kind = io::DiskOp::Kind::WriteZeroes;
    op.sector = block.sector;
    op.length = block.size;
    write(std::move(op));
    return {};
}

// After a write of the peer that is on its way to the same place: the source read the block later.
void ResyncTarget::write(io::DiskOp op) {
    writing_.add(op.sector, op.length, serial_);
    if (device_.peer_ranges.overlaps(op.sector, op.length)) {
        deferred_.push_back(std::move(op));
    } else {
        device_.disk.submit(DiskUser::ResyncWrite, serial_, std::move(op));
    }
}

void ResyncTarget::write_deferred() {
    core_.work.add(deferred_.size());
    std::erase_if(deferred_, [this](io::DiskOp& op) {
        if (device_.peer_ranges.overlaps(op.sector, op.length)) {
            return false;
        }
        device_.disk.submit(DiskUser::ResyncWrite, serial_, std::move(op));
        return true;
    });
}

// What it names is what we asked for there, whatever size it tells.
void ResyncTarget::on_in_sync(const proto::BlockAck& packet) {
    const auto found = requested_.find(packet.sector);
    if (found == requested_.end()) {
        return;
    }
    const std::uint64_t bytes = found->second;
    requested_.erase(found);
    auto kept = compared_.extract(packet.sector);
    if (kept && kept.mapped().empty()) {
        forget(packet.sector, bytes);  // asked for again: it is still marked
        return;
    }
    equal_bits_ += (bytes + base::kBytesPerBit - 1) / base::kBytesPerBit;
    if (kept && device_.local_usable()) {
        rewriting_.insert(packet.sector);
        io::DiskOp op;
        op.kind = io::DiskOp::Kind::Write;
        op.sector = packet.sector;
        op.length = bytes;
        op.buffer = std::move(kept.mapped());
        return write(std::move(op));
    }
    device_.mark_in_sync(packet.sector, bytes);
    forget(packet.sector, bytes);
}

// It may have been sent after the source compared: its word on that goes another way, and what was
// read here is not to be written over this.
void ResyncTarget::on_peer_write(base::Sector sector, std::uint64_t bytes) {
    core_.work.add(compared_.size());
    const base::Sector end = sector + base::sectors_rounding_up(bytes);
    for (auto& [at, data] : compared_) {
        if (at < end && sector < at + base::sectors_rounding_up(data.length)) {
            data = {};
        }
    }
}

void ResyncTarget::on_refused(const proto::BlockAck& packet, bool failed) {
    const auto found = requested_.find(packet.sector);
    if (found == requested_.end()) {
        return;
    }
    const std::uint64_t bytes = found->second;
    requested_.erase(found);
    compared_.erase(packet.sector);
    forget(packet.sector, bytes);
    if (failed) {
        failed_bits_ += (bytes + base::kBytesPerBit - 1) / base::kBytesPerBit;
    }
}

void ResyncTarget::on_disk_done(const DiskTicket& ticket, int error) {
    const io::DiskOp& op = ticket.op;
    writing_.remove(op.sector, ticket.key);
    core_.progress = true;
    const bool current = running_ && ticket.key == serial_;
    const bool asked_for = !current || rewriting_.erase(op.sector) == 0;
    if (current) {
        forget(op.sector, op.length);
    }
    if (error != 0) {
        if (current) {
            failed_bits_ += (op.length + base::kBytesPerBit - 1) / base::kBytesPerBit;
        }
        if (current && asked_for) {
            device_.peer.send_ack(proto::Command::NegAck, op.sector, proto::kIdSyncer, op.length);
        }
        device_.disk_failed(false, base::format("resync write: errno %d", error));
        return;
    }
    if (current) {
        device_.mark_in_sync(op.sector, op.length);
        if (asked_for) {
            device_.peer.send_ack(
                proto::Command::RsWriteAck, op.sector, proto::kIdSyncer, op.length);
        }
    }
}

void ResyncTarget::forget(base::Sector sector, std::uint64_t bytes) {
    fetching_.remove(sector, serial_);
    in_flight_ -= bytes;
    core_.progress = true;
}

// --- Source ---

void ResyncSource::stop() {
    was_asked_ = refused_any_ = false;
    queue_.clear();
    active_.clear();
    active_bytes_ = 0;
    reading_.clear();
    replied_.clear();
    ++serial_;
}

void ResyncSource::on_failed_flush() {
    for (auto& [sector, kept] : replied_) {
        kept = false;
    }
}

bool ResyncSource::keeps(base::Sector sector) {
    const auto found = replied_.find(sector);
    if (found == replied_.end()) {
        return true;
    }
    const bool kept = found->second;
    replied_.erase(found);
    return kept;
}

base::Result<void> ResyncSource::on_request(const proto::BlockReq& request,
                                            base::ConstBytes digest) {
    if (!on_device(device_, request.sector, request.size)) {
        return base::Error{
            base::ErrorCode::Invalid,
            base::format("resync request of %u bytes at sector %llu, device has %llu",
                         request.size,
                         static_cast<unsigned long long>(request.sector.value),
                         static_cast<unsigned long long>(device_.size_sectors()))};
    }
    if (device_.state().disk != DiskState::UpToDate || !device_.local_usable()) {
        refuse(request);
        return {};
    }
    was_asked_ = true;
    if (queue_.size() >= kSourceQueue) {
        return base::Error{base::ErrorCode::TooBig, "too many resync requests at once"};
    }
    queue_.push_back({request, {digest.begin(), digest.end()}});
    core_.progress = true;
    return {};
}

void ResyncSource::refuse(const proto::BlockReq& request) {
    refused_any_ = true;
    device_.peer.send_ack(
        proto::Command::NegRsDreply, request.sector, request.block_id, request.size);
}

// A block is read only when no write on it is under way, nor one of the target's before it, and a
// write on it waits until the answer is in the stream: so the target sees both in their order.
void ResyncSource::advance() {
    const Connection& connection = device_.peer_connection();
    while (!queue_.empty() && active_.size() < kSourceReads) {
        const proto::BlockReq request = queue_.front().request;
        if (!device_.local_usable()) {
            queue_.pop_front();
            refuse(request);
            continue;
        }
        if (device_.requests.busy(request.sector, request.size) ||
            device_.peer_busy(request.sector, request.size) ||
            connection.peer_writes.queued(device_, request.sector, request.size) ||
            !connection.may_read()) {
            return;
        }
        Question question = std::move(queue_.front());
        queue_.pop_front();
        const std::uint64_t key = next_key_++;
        reading_.add(request.sector, request.size, key);
        if (device_.doubts_its_cache()) {
            rewriting_.add(request.sector, request.size, key);
        }
        active_.emplace(key, std::move(question));
        active_bytes_ += request.size;
        device_.disk.submit(
            DiskUser::ResyncRead, key, read_of(core_.pool, request.sector, request.size));
    }
}

// A block that only the disk's cache still has is lost here once the target has it and nobody marks
// it any more: it is made our disk's again first. All that a failed flush can have lost is marked,
// so it comes through here, or is written anew.
void ResyncSource::write_back(const DiskTicket& ticket) {
    io::DiskOp op = ticket.op;
    op.kind = io::DiskOp::Kind::Write;
    device_.disk.submit(DiskUser::ResyncRead, ticket.key, std::move(op));
}

// Where the algorithms differ so do the digests, and the block is copied.
bool ResyncSource::equal(const Question& question, base::ConstBytes data) {
    const std::string& algorithm = core_.settings.net.csums_alg;
    if (question.digest.empty()) {
        return false;
    }
    if (!digest_ || digest_->name() != algorithm) {
        base::Result<std::unique_ptr<base::Digest>> digest = base::Digest::make(algorithm);
        digest_ = digest ? std::move(*digest) : nullptr;
    }
    if (!digest_ || digest_->size() != question.digest.size()) {
        return false;
    }
    std::vector<std::uint8_t> own(digest_->size());
    digest_->compute(data, own);
    return own == question.digest;
}

// Of an equal block the target sends no ack: it stays marked here unless our disk keeps it.
void ResyncSource::answer(const Question& question, const io::Slice& data, bool kept) {
    const proto::BlockReq& request = question.request;
    if (device_.state().syncing() && equal(question, data.bytes())) {
        if (kept) {
            device_.mark_in_sync(request.sector, request.size);
        }
        device_.peer.send_ack(
            proto::Command::RsIsInSync, request.sector, request.block_id, request.size);
        return;
    }
    device_.counters.sent += request.size / base::kSectorBytes;
    replied_[request.sector] = kept;
    device_.peer_connection().send_payload(proto::Command::RsDataReply,
                                           device_.number(),
                                           proto::Data{request.sector, request.block_id, 0, 0},
                                           data);
}

void ResyncSource::on_disk_done(const DiskTicket& ticket, int error) {
    const auto found = active_.find(ticket.key);
    const bool read = ticket.op.kind == io::DiskOp::Kind::Read;
    if (rewriting_.contains(ticket.op.sector, ticket.key)) {
        if (read && error == 0 && found != active_.end() && device_.local_usable()) {
            return write_back(ticket);
        }
        rewriting_.remove(ticket.op.sector, ticket.key);
        core_.progress = true;
    }
    if (found != active_.end()) {
        const Question question = std::move(found->second);
        const proto::BlockReq& request = question.request;
        active_.erase(found);
        active_bytes_ -= request.size;
        reading_.remove(request.sector, ticket.key);
        core_.progress = true;
        if (error != 0) {
            refuse(request);
        } else {
            answer(question, ticket.op.buffer, !read || !device_.doubts_its_cache());
        }
    }
    if (error != 0) {
        device_.disk_failed(
            false,
            base::format("resync %s: errno %d",
                         ticket.op.kind == io::DiskOp::Kind::Read ? "read" : "rewrite",
                         error));
    }
}

}  // namespace engine
