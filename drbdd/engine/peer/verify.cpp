#include "drbdd/engine/peer/verify.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/encoded.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>
#include <utility>

namespace engine {

namespace {

constexpr std::size_t kVerifyReads = 16;       // in flight, on either side
constexpr std::size_t kMostQuestions = 65536;  // that wait; more is an attack or a bug
constexpr std::uint64_t kVerifyBlock = 4096;   // what the kernel asks for and counts
constexpr io::Duration kVerifyBusyFor = std::chrono::milliseconds(100);

base::Sector behind(base::Sector sector, std::uint64_t bytes) {
    return sector + base::sectors_rounding_up(bytes);
}

}  // namespace

// --- Log ---

void OutOfSyncLog::found(base::Sector sector, std::uint64_t bytes) {
    if (sectors_ != 0 && sector.value != first_ + sectors_) {
        end_stretch();
    }
    first_ = sectors_ == 0 ? sector.value : first_;
    sectors_ += base::sectors_rounding_up(bytes).value;
}

void OutOfSyncLog::end_stretch() {
    if (sectors_ != 0) {
        device_.log_line(base::LogLevel::Error,
                         base::format("Out of sync: start=%llu, size=%llu (sectors)",
                                      base::ull(first_),
                                      base::ull(std::exchange(sectors_, 0))));
    }
}

// --- The node that began it ---

void VerifySource::start(base::Sector first,
                         base::Sector end,
                         std::unique_ptr<base::Digest> digest) {
    REQUIRE(!running_ && unanswered_ == 0 && checks_.empty());
    digest_ = std::move(digest);
    running_ = true;
    first_ = next_ = first;
    end_ = end;
    received_ = device_.counters.received;
    peer_active_at_ = core_.now - kVerifyBusyFor;
    pacer_.start(core_.now);
    core_.progress = true;
}

base::Sector VerifySource::stop() {
    const base::Sector reached = checks_.empty() ? next_ : checks_.begin()->first;
    log_.end_stretch();
    unanswered_ += static_cast<std::uint64_t>(
        std::count_if(checks_.begin(), checks_.end(), [](const auto& entry) {
            return entry.second.phase == Phase::Asked;
        }));
    running_ = false;
    checks_.clear();
    asking_.reset();
    to_read_.clear();
    reads_.clear();
    locked_.clear();
    replied_.clear();
    in_flight_ = 0;
    ++serial_;
    core_.progress = true;
    return reached;
}

bool VerifySource::fits() const {
    return end_.value <= device_.size_sectors();
}

bool VerifySource::active() const {
    return running_ && device_.state().conn == ConnState::VerifyS && device_.local_usable();
}

std::uint64_t VerifySource::sectors_left() const {
    const base::Sector reached = checks_.empty() ? next_ : checks_.begin()->first;
    return (end_ - reached).value;
}

// On this node, or on the peer: what it writes arrives here.
bool VerifySource::application_busy() {
    if (received_ != device_.counters.received) {
        received_ = device_.counters.received;
        peer_active_at_ = core_.now;
    }
    return core_.now - std::max(device_.requests.last_activity(), peer_active_at_) < kVerifyBusyFor;
}

// The kernel counts answers, not bytes.
std::uint64_t VerifySource::largest(bool narrow) const {
    return device_.peer_connection().has(proto::kFeatureExplicitFlush)
               ? ResyncPacer::largest_request(narrow)
               : kVerifyBlock;
}

void VerifySource::advance() {
    if (!active()) {
        return;
    }
    read_replied();
    const DiskSettings& settings = device_.settings().disk;
    const bool busy = application_busy();
    pacer_.refill(core_.now, settings);
    bool narrow = pacer_.gives_way(core_.now, settings, busy);
    while (in_flight_ < ResyncPacer::window(settings, narrow) && pacer_.may_send(settings) &&
           ask_next(narrow)) {
        narrow = pacer_.gives_way(core_.now, settings, busy);
    }
    if (asking_ && ask(*asking_, checks_.at(*asking_))) {
        asking_.reset();
    }
    tell_results();
}

// Locked first: a block that is written all the time would never be quiet.
bool VerifySource::ask_next(bool narrow) {
    if (asking_) {
        if (!ask(*asking_, checks_.at(*asking_))) {
            return false;
        }
        asking_.reset();
    }
    if (next_ >= end_) {
        return false;
    }
    core_.work.add();
    const base::Sector sector = next_;
    Check check;
    check.bytes = std::min(largest(narrow), base::to_bytes(end_ - sector));
    next_ = behind(sector, check.bytes);
    in_flight_ += check.bytes;
    pacer_.spend(check.bytes);
    locked_.add(sector, check.bytes, serial_);
    Check& entered = checks_.emplace(sector, std::move(check)).first->second;
    if (!ask(sector, entered)) {
        asking_ = sector;
        return false;
    }
    return true;
}

// False while a write that had begun before is under way.
bool VerifySource::ask(base::Sector sector, Check& check) {
    if (device_.requests.busy(sector, check.bytes)) {
        return false;
    }
    check.phase = Phase::Asked;
    device_.peer_connection().send(
        proto::Command::OvRequest,
        device_.number(),
        proto::BlockReq{sector, proto::kIdSyncer, static_cast<std::uint32_t>(check.bytes)});
    return true;
}

base::Result<void> VerifySource::on_reply(base::ConstBytes body) {
    const base::Result<proto::BlockReq> request =
        proto::decode_block_req(body.first(proto::BlockReq::kSize));
    if (!request) {
        return request.error();
    }
    if (!running_ && unanswered_ > 0) {
        --unanswered_;
        return {};
    }
    const base::ConstBytes digest = body.subspan(proto::BlockReq::kSize);
    const auto found = checks_.find(request->sector);
    if (found == checks_.end() || found->second.phase != Phase::Asked ||
        found->second.bytes != request->size || digest.size() != digest_->size()) {
        return base::Error{base::ErrorCode::Invalid, "a digest that was not asked for"};
    }
    Check& check = found->second;
    check.phase = Phase::Replied;
    check.digest.assign(digest.begin(), digest.end());
    check.arrivals = device_.peer_connection().peer_writes.arrived();
    replied_.add(found->first, check.bytes, check.arrivals);
    to_read_.push_back(found->first);
    core_.progress = true;
    return {};
}

bool VerifySource::on_refused(const proto::BlockAck& packet) {
    if (!running_ && unanswered_ > 0) {
        --unanswered_;
        return true;
    }
    const auto found = checks_.find(packet.sector);
    if (found == checks_.end() || found->second.phase != Phase::Asked) {
        return false;
    }
    settle(found, Phase::Refused);
    return true;
}

bool VerifySource::holds_back(std::uint64_t arrival,
                              base::Sector sector,
                              std::uint64_t bytes) const {
    bool later = false;
    replied_.for_each_overlapping(
        sector, bytes, [&](std::uint64_t arrivals) { later = later || arrival >= arrivals; });
    return later;
}

// In the order of the answers: so the peer's writes that the first one waits for never wait for a
// later one.
void VerifySource::read_replied() {
    const PeerWrites& writes = device_.peer_connection().peer_writes;
    while (!to_read_.empty() && reads_.size() < kVerifyReads) {
        const base::Sector sector = to_read_.front();
        Check& check = checks_.at(sector);
        if (device_.peer_busy(sector, check.bytes) ||
            writes.queued(device_, sector, check.bytes, check.arrivals)) {
            return;
        }
        to_read_.pop_front();
        check.phase = Phase::Reading;
        const std::uint64_t key = next_key_++;
        reads_.emplace(key, sector);
        device_.disk.submit(DiskUser::VerifyRead, key, read_of(core_.pool, sector, check.bytes));
    }
}

void VerifySource::on_disk_done(const DiskTicket& ticket, int error) {
    const auto read = reads_.find(ticket.key);
    if (read != reads_.end()) {
        const auto check = checks_.find(read->second);
        reads_.erase(read);
        REQUIRE(check != checks_.end());
        replied_.remove(check->first, check->second.arrivals);
        std::vector<std::uint8_t> own(digest_->size());
        if (error == 0) {
            digest_->compute(ticket.op.buffer.bytes(), own);
        }
        const bool equal = error == 0 && own == check->second.digest;
        device_.counters.read += ticket.op.length / base::kSectorBytes;
        if (!equal && check->second.bytes > kVerifyBlock) {
            split(check);
        } else {
            settle(check, equal ? Phase::Equal : Phase::Differs);
        }
    }
    if (error != 0) {
        device_.disk_failed(false, base::format("verify read: errno %d", error));
    }
}

// The application may write again.
void VerifySource::settle(Checks::iterator check, Phase phase) {
    check->second.phase = phase;
    locked_.remove(check->first, serial_);
    core_.progress = true;
}

// Something in it differs: which of its blocks is asked anew. They stay locked.
void VerifySource::split(Checks::iterator check) {
    const base::Sector first = check->first;
    const base::Sector end = behind(first, check->second.bytes);
    locked_.remove(first, serial_);
    checks_.erase(check);
    for (base::Sector sector = first; sector < end;
         sector = sector + base::sectors_rounding_up(kVerifyBlock)) {
        core_.work.add();
        Check block;
        block.bytes = std::min(kVerifyBlock, base::to_bytes(end - sector));
        locked_.add(sector, block.bytes, serial_);
        ask(sector, checks_.emplace(sector, std::move(block)).first->second);
    }
    core_.progress = true;
}

// In the order of the sectors, so that what is logged here and there is one line for each stretch,
// and that what is told has been compared up to one place.
void VerifySource::tell_results() {
    while (!checks_.empty() && checks_.begin()->second.phase >= Phase::Equal) {
        const base::Sector sector = checks_.begin()->first;
        const Check& check = checks_.begin()->second;
        if (check.phase == Phase::Differs) {
            device_.mark_out_of_sync(sector, check.bytes);
            log_.found(sector, check.bytes);
        } else {
            log_.end_stretch();
        }
        if (check.phase != Phase::Refused) {
            device_.peer.send_ack(
                proto::Command::OvResult,
                sector,
                check.phase == Phase::Equal ? proto::kIdInSync : proto::kIdOutOfSync,
                check.bytes);
        }
        in_flight_ -= check.bytes;
        checks_.erase(checks_.begin());
        core_.work.add();
        core_.progress = true;
    }
}

io::Instant VerifySource::next_deadline() const {
    if (!active() || next_ >= end_) {
        return io::kNever;
    }
    const DiskSettings& settings = device_.settings().disk;
    io::Instant next = in_flight_ < ResyncPacer::window(settings, false)
                           ? pacer_.next_refill(settings)
                           : io::kNever;
    if (in_flight_ == 0) {
        next = std::min(next, core_.now + kVerifyBusyFor);
    }
    return next;
}

// --- The other one ---

void VerifyTarget::start() {
    running_ = true;
    begun_ = false;
    all_ = left_ = 0;
}

std::optional<base::Sector> VerifyTarget::stop() {
    log_.end_stretch();
    const bool anything = std::exchange(running_, false) && std::exchange(begun_, false);
    return anything ? std::optional(first_ + base::Sector{all_ - left_}) : std::nullopt;
}

void VerifyTarget::on_connection_lost() {
    queue_.clear();
    active_.clear();
    locked_.clear();
    active_bytes_ = 0;
}

void VerifyTarget::begin(base::Sector first) {
    begun_ = true;
    first_ = first;
    all_ = left_ = device_.size_sectors() - first.value;
    device_.log_line(base::LogLevel::Info,
                     base::format("Online Verify start sector: %llu", base::ull(first.value)));
}

base::Result<void> VerifyTarget::on_request(const proto::BlockReq& request,
                                            const std::string& algorithm) {
    if (!device_.covers(request.sector, request.size)) {
        return base::Error{base::ErrorCode::Invalid,
                           base::format("a verify of %u bytes at sector %llu, device has %llu",
                                        request.size,
                                        base::ull(request.sector.value),
                                        base::ull(device_.size_sectors()))};
    }
    if (queue_.size() >= kMostQuestions) {
        return base::Error{base::ErrorCode::TooBig, "too many verify requests at once"};
    }
    if (!digest_ || (queue_.empty() && active_.empty() && digest_->name() != algorithm)) {
        base::Result<std::unique_ptr<base::Digest>> digest = base::Digest::make(algorithm);
        digest_ = digest ? std::move(*digest) : nullptr;
    }
    if (!digest_ || !device_.is_member()) {
        refuse(request);
        return {};
    }
    if (running_ && !begun_) {
        begin(request.sector);
    }
    const std::uint64_t key = next_key_++;
    locked_.add(request.sector, request.size, key);
    queue_.push_back({key, request});
    core_.progress = true;
    return {};
}

void VerifyTarget::refuse(const proto::BlockReq& request) {
    device_.peer.send_ack(
        proto::Command::NegRsDreply, request.sector, request.block_id, request.size);
}

void VerifyTarget::advance() {
    const Connection& connection = device_.peer_connection();
    while (!queue_.empty() && active_.size() < kVerifyReads) {
        const Question question = queue_.front();
        const proto::BlockReq& request = question.request;
        if (!device_.local_usable() || !device_.covers(request.sector, request.size)) {
            queue_.pop_front();
            locked_.remove(request.sector, question.key);
            core_.progress = true;
            refuse(request);
            continue;
        }
        if (device_.requests.busy(request.sector, request.size) ||
            device_.peer_busy(request.sector, request.size) ||
            connection.peer_writes.queued(device_, request.sector, request.size) ||
            !connection.may_read()) {
            return;
        }
        queue_.pop_front();
        active_.emplace(question.key, request);
        active_bytes_ += request.size;
        device_.disk.submit(DiskUser::VerifyAnswerRead,
                            question.key,
                            read_of(core_.pool, request.sector, request.size));
    }
}

void VerifyTarget::on_disk_done(const DiskTicket& ticket, int error) {
    if (const auto found = active_.find(ticket.key); found != active_.end()) {
        const proto::BlockReq request = found->second;
        active_.erase(found);
        active_bytes_ -= request.size;
        device_.counters.read += request.size / base::kSectorBytes;
        answer(request, error == 0 ? &ticket.op.buffer : nullptr);
        locked_.remove(request.sector, ticket.key);
        core_.progress = true;
    }
    if (error != 0) {
        device_.disk_failed(false, base::format("verify read for the peer: errno %d", error));
    }
}

// What can't be read has a digest of zeroes, as DRBD's.
void VerifyTarget::answer(const proto::BlockReq& request, const io::Slice* data) {
    std::vector<std::uint8_t> digest(digest_->size());
    if (data != nullptr) {
        digest_->compute(data->bytes(), digest);
    }
    device_.peer_connection().send_data(
        proto::Command::OvReply, device_.number(), with_digest(request, digest));
}

void VerifyTarget::on_result(const proto::BlockAck& packet) {
    if (packet.block_id == proto::kIdOutOfSync) {
        device_.mark_out_of_sync(packet.sector, packet.size);
        log_.found(packet.sector, packet.size);
    } else {
        log_.end_stretch();
    }
    left_ -= std::min<std::uint64_t>(left_, packet.size / base::kSectorBytes);
    core_.progress = true;
}

}  // namespace engine
