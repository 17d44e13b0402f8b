// Requests for parts of blocks, on a disk whose sectors are larger than 512 bytes: the block is
// read, changed and written as a whole. What the block holds beside the request stays as it is, so
// nothing else that changes the same block may be under way meanwhile: such operations wait for
// each other, in their order. A crash between the two steps leaves the block as it was, one in the
// write leaves it old or new: a disk writes no part of its sector.
//
// Owned by LocalDisk; empty, and out of the way, on a disk of 512.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/volume/disk_ticket.h"
#include "drbdd/engine/volume/ranges.h"

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace engine {

class LocalDisk;

class WholeBlocks {
public:
    WholeBlocks(Core& core, LocalDisk& disk) : core_(core), disk_(disk), ranges_(&core.work) {}

    void set_block(std::uint32_t bytes) { block_ = bytes; }

    // Everything that changes such a disk, and reads of parts.
    bool wants(const io::DiskOp& op) const;
    void add(DiskTicket ticket);
    // One that is under way, and was thought to be of whole blocks.
    void adopt(io::IoId id, DiskTicket ticket);

    // False: it is none of ours.
    bool on_done(io::IoId id, int error);

    std::size_t outstanding() const { return jobs_.size(); }

    io::Instant oldest() const { return parts_.empty() ? io::kNever : parts_.begin()->second.at; }

    // Nothing of the disk is told any more: what the jobs were for goes to `left`.
    void abandon(std::vector<DiskTicket>& left);

private:
    enum class Phase : std::uint8_t { ReadBlock, WriteBlock, Whole };

    struct Job {
        DiskTicket ticket;
        Phase phase = Phase::Whole;
        std::uint64_t done = 0;  // bytes of the operation
        std::uint64_t part = 0;  // bytes of it under way
        io::Slice memory;        // that the part uses instead of the operation's own
        bool adopted = false;
        std::size_t waits_for = 0;
        std::vector<std::uint64_t> followers;  // that wait for this one
    };

    struct Part {  // of a job, under way
        std::uint64_t job;
        io::Instant at;
    };

    void wait_for_others(std::uint64_t number, Job& job, bool only_active);
    void pump();
    void advance(std::uint64_t number);
    void start_block(std::uint64_t number, Job& job, std::uint64_t position);
    void start_whole(std::uint64_t number, Job& job, std::uint64_t position);
    void write_block(std::uint64_t number, Job& job);
    void part_done(std::uint64_t number, int error);
    void finish(std::uint64_t number, int error);
    void issue(std::uint64_t number, io::DiskOp op);

    std::uint64_t first_byte(const io::DiskOp& op) const;
    std::uint64_t span_bytes(const io::DiskOp& op) const;

    Core& core_;
    LocalDisk& disk_;
    std::uint32_t block_ = 512;
    std::uint64_t next_ = 1;
    std::map<std::uint64_t, Job> jobs_;    // by number
    std::map<std::uint64_t, Part> parts_;  // by the id of the operation
    Ranges<std::uint64_t> ranges_;         // whole blocks that jobs change
    std::deque<std::uint64_t> ready_;
};

}  // namespace engine
