#include "drbdd/engine/volume/whole_blocks.h"

#include "drbdd/engine/volume/local_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace engine {

namespace {

using Kind = io::DiskOp::Kind;

bool changes_data(const io::DiskOp& op) {
    return op.kind == Kind::Write || op.kind == Kind::Discard || op.kind == Kind::WriteZeroes;
}

bool has_memory(const io::DiskOp& op) {
    return op.kind == Kind::Read || op.kind == Kind::Write;
}

}  // namespace

bool WholeBlocks::wants(const io::DiskOp& op) const {
    if (block_ <= base::kSectorBytes || op.kind == Kind::Flush) {
        return false;
    }
    return changes_data(op) || !is_aligned(op, block_) || op.buffer.offset % block_ != 0;
}

std::uint64_t WholeBlocks::first_byte(const io::DiskOp& op) const {
    const std::uint64_t position = base::to_bytes(op.sector);
    return position - position % block_;
}

std::uint64_t WholeBlocks::span_bytes(const io::DiskOp& op) const {
    const std::uint64_t end = base::to_bytes(op.sector) + op.length;
    return (end + block_ - 1) / block_ * block_ - first_byte(op);
}

void WholeBlocks::add(DiskTicket ticket) {
    const std::uint64_t number = next_++;
    Job& job = jobs_[number];
    job.ticket = std::move(ticket);
    wait_for_others(number, job, false);
    const io::DiskOp& op = job.ticket.op;
    if (changes_data(op)) {
        ranges_.add(base::sectors_rounding_down(first_byte(op)), span_bytes(op), number);
    }
    if (job.waits_for == 0) {
        ready_.push_back(number);
        pump();
    }
}

void WholeBlocks::adopt(io::IoId id, DiskTicket ticket) {
    const std::uint64_t number = next_++;
    Job& job = jobs_[number];
    job.ticket = std::move(ticket);
    job.part = job.ticket.op.length;
    job.adopted = true;
    parts_[id.value] = {number, job.ticket.issued};
    const io::DiskOp& op = job.ticket.op;
    if (changes_data(op)) {
        ranges_.add(base::sectors_rounding_down(first_byte(op)), span_bytes(op), number);
    }
}

// The engine keeps apart what overlaps: there are at most as many in one block as it has sectors.
void WholeBlocks::wait_for_others(std::uint64_t number, Job& job, bool only_active) {
    const io::DiskOp& op = job.ticket.op;
    if (!changes_data(op)) {
        return;
    }
    ranges_.for_each_overlapping(
        base::sectors_rounding_down(first_byte(op)), span_bytes(op), [&](std::uint64_t other) {
            Job& before = jobs_.at(other);
            if (other != number && (before.waits_for == 0 || !only_active)) {
                before.followers.push_back(number);
                ++job.waits_for;
            }
        });
}

// --- Part by part ---

void WholeBlocks::pump() {
    while (!ready_.empty()) {
        const std::uint64_t number = ready_.front();
        ready_.pop_front();
        advance(number);
    }
}

void WholeBlocks::advance(std::uint64_t number) {
    Job& job = jobs_.at(number);
    const io::DiskOp& op = job.ticket.op;
    if (job.done == op.length) {
        finish(number, 0);
        return;
    }
    if (!disk_.accepts()) {
        finish(number, ECANCELED);
        return;
    }
    const std::uint64_t position = base::to_bytes(op.sector) + job.done;
    if (position % block_ != 0 || op.length - job.done < block_) {
        start_block(number, job, position);
    } else {
        start_whole(number, job, position);
    }
}

// A part of one block: it is read first.
void WholeBlocks::start_block(std::uint64_t number, Job& job, std::uint64_t position) {
    const std::uint64_t within = position % block_;
    job.phase = Phase::ReadBlock;
    job.part = std::min(job.ticket.op.length - job.done, block_ - within);
    job.memory = core_.pool.allocate_slice(block_);
    io::DiskOp read;
    read.kind = Kind::Read;
    read.area = job.ticket.op.area;
    read.sector = base::sectors_rounding_down(position - within);
    read.length = block_;
    read.buffer = job.memory;
    issue(number, std::move(read));
}

// The whole blocks between the first and the last one, at once. Their memory must be aligned, too.
void WholeBlocks::start_whole(std::uint64_t number, Job& job, std::uint64_t position) {
    const io::DiskOp& op = job.ticket.op;
    job.phase = Phase::Whole;
    job.part = (op.length - job.done) / block_ * block_;
    job.memory = {};
    io::DiskOp whole = op;
    whole.sector = base::sectors_rounding_down(position);
    whole.length = job.part;
    if (has_memory(op)) {
        whole.buffer = op.buffer.part(job.done, job.part);
        if (whole.buffer.offset % block_ != 0) {
            job.memory = core_.pool.allocate_slice(job.part);
            if (op.kind == Kind::Write) {
                std::memcpy(
                    job.memory.bytes().data(), whole.buffer.bytes().data(), whole.buffer.length);
            }
            whole.buffer = job.memory;
        }
    }
    issue(number, std::move(whole));
}

void WholeBlocks::write_block(std::uint64_t number, Job& job) {
    const io::DiskOp& op = job.ticket.op;
    const std::uint64_t position = base::to_bytes(op.sector) + job.done;
    const base::Bytes changed = job.memory.bytes().subspan(position % block_, job.part);
    if (op.kind == Kind::Write) {
        std::memcpy(changed.data(), op.buffer.part(job.done, job.part).bytes().data(), job.part);
    } else {
        std::memset(changed.data(), 0, job.part);
    }
    job.phase = Phase::WriteBlock;
    io::DiskOp write;
    write.kind = Kind::Write;
    write.area = op.area;
    write.fua = op.fua;
    write.sector = base::sectors_rounding_down(position - position % block_);
    write.length = block_;
    write.buffer = job.memory;
    issue(number, std::move(write));
}

void WholeBlocks::issue(std::uint64_t number, io::DiskOp op) {
    parts_[disk_.issue(std::move(op)).value] = {number, core_.now};
}

bool WholeBlocks::on_done(io::IoId id, int error) {
    const auto found = parts_.find(id.value);
    if (found == parts_.end()) {
        return false;
    }
    const std::uint64_t number = found->second.job;
    parts_.erase(found);
    part_done(number, error);
    pump();
    return true;
}

void WholeBlocks::part_done(std::uint64_t number, int error) {
    Job& job = jobs_.at(number);
    const io::DiskOp& op = job.ticket.op;
    if (std::exchange(job.adopted, false) && error == EINVAL && !is_aligned(op, block_)) {
        wait_for_others(number, job, true);  // once more, as it should have been from the start
        if (job.waits_for == 0) {
            ready_.push_back(number);
        }
        return;
    }
    if (error != 0) {
        finish(number, error);
        return;
    }
    if (job.phase == Phase::ReadBlock && op.kind != Kind::Read) {
        disk_.accepts() ? write_block(number, job) : finish(number, ECANCELED);
        return;
    }
    if (op.kind == Kind::Read && !job.memory.empty()) {
        const std::uint64_t within =
            job.phase == Phase::ReadBlock ? (base::to_bytes(op.sector) + job.done) % block_ : 0;
        std::memcpy(op.buffer.part(job.done, job.part).bytes().data(),
                    job.memory.bytes().data() + within,
                    job.part);
    }
    job.done += job.part;
    job.memory = {};
    ready_.push_back(number);
}

void WholeBlocks::finish(std::uint64_t number, int error) {
    auto node = jobs_.extract(number);
    Job& job = node.mapped();
    if (changes_data(job.ticket.op)) {
        ranges_.remove(base::sectors_rounding_down(first_byte(job.ticket.op)), number);
    }
    for (const std::uint64_t follower : job.followers) {
        if (--jobs_.at(follower).waits_for == 0) {
            ready_.push_back(follower);
        }
    }
    disk_.end(std::move(job.ticket), error);
}

void WholeBlocks::abandon(std::vector<DiskTicket>& left) {
    for (auto& [number, job] : jobs_) {
        left.push_back(std::move(job.ticket));
    }
    jobs_.clear();
    parts_.clear();
    ready_.clear();
    ranges_ = Ranges<std::uint64_t>(&core_.work);
}

}  // namespace engine
