// io::Disk over an NBD export; its metadata are on a device of this machine.
//
// A connection that breaks is made anew, for a while, and nobody hears of it: what was not answered
// is sent again. What was answered and not yet flushed may be lost with the server's cache, so a
// copy of it is kept until a flush, and written again first, in the old order. When the export
// stays away, or comes back as another one, everything fails from then on: a failed disk.
#pragma once

#include "base/log.h"
#include "drbdd/runtime/backing_disk.h"
#include "drbdd/runtime/nbd_export.h"
#include "drbdd/runtime/ring.h"
#include "drbdd/runtime/uring_disk.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace runtime {

struct NbdDiskOptions {
    std::chrono::milliseconds lost_limit{10'000};  // without a connection: then the disk has failed
    std::chrono::milliseconds retry_interval{200};
    std::uint64_t kept_bytes = 32u << 20;  // of writes that are not flushed: then we flush
    // Runs `job` where it may block, then `then` on this thread.
    std::function<void(std::function<void()> job, std::function<void()> then)> elsewhere;
};

class NbdDisk : public BackingDisk {
public:
    // `device` is an export with metadata on a device of its own. All references outlive the disk.
    NbdDisk(boost::asio::io_context& context,
            OperationRing& ring,
            io::BufferPool& pool,
            BackingDevice device,
            NbdDiskOptions options,
            base::LogSink& log,
            Done done);
    ~NbdDisk() override;

    io::DiskGeometry geometry() const override { return geometry_; }

    const std::string& path() const override { return path_; }

    void submit(const io::DiskOp& op) override;
    void close() override;

    std::size_t outstanding() const override { return outstanding_; }

    void abandon(std::function<void()> idle) override;
    std::shared_ptr<void> give_up_device() override;
    std::function<std::uint64_t()> ruler() const override;

    Mapper mapper() const override { return nullptr; }

    // Another size of the export is another export.
    void grow(std::uint64_t) override {}

private:
    enum class State { Connected, Lost, Replaying, Failed };

    // On its way to the export; stays where it is until it is done.
    struct Operation {
        NbdDisk* disk = nullptr;
        io::DiskOp op;
        std::uint8_t* memory = nullptr;  // Read, Write
        std::uint64_t done_bytes = 0;
        std::uint64_t part_bytes = 0;  // on the way
        std::uint64_t covers = 0;      // a flush: all that is kept up to here
        bool sent = false;
        bool flushing = false;  // written, and durable when a flush has been answered
        bool ours = false;      // nobody waits for it
        std::list<Operation>::iterator self;
    };

    // Answered, and not known to be durable.
    struct Kept {
        std::uint64_t number = 0;
        io::DiskOp op;  // without its buffer
        std::vector<std::uint8_t> data;
    };

    // Of a flush, which is of both devices.
    struct BothFlushes {
        unsigned left = 2;
        int error = 0;
    };

    void submit_to_export(const io::DiskOp& op, bool ours);
    void submit_flush(const io::DiskOp& op);
    void answered_by_meta(io::IoId id, int error);
    void flushed(io::IoId id, int error);
    void send(Operation& operation);
    std::int64_t start(Operation& operation);
    std::int64_t start_zeroing(Operation& operation);
    static int on_answer(void* operation, int* error);
    void settle();
    void take_answers();
    void advance(Operation& operation, int error);
    void advance_replay(int error);
    void keep(const Operation& operation);
    void forget_kept(std::uint64_t up_to);
    void finish(Operation& operation, int error);
    void tell(io::IoId id, int error);

    void schedule_turn();
    void turn();
    void wait();
    void arm(boost::asio::posix::stream_descriptor::wait_type what, bool& armed);
    bool watch();
    void disconnect();
    bool connection_ended() const;

    void lost(const std::string& why);
    void reconnect();
    void on_reconnected(base::Result<NbdExport> found);
    void adopt(NbdExport found);
    void replay_next();
    void resume();
    void fail(const std::string& why);

    boost::asio::io_context& context_;
    io::BufferPool& pool_;
    base::LogSink& log_;
    const NbdDiskOptions options_;
    const std::string path_;
    const io::DiskGeometry geometry_;
    NbdExport export_;
    std::shared_ptr<MetaDevice> meta_device_;
    UringDisk meta_;
    Done done_;

    State state_ = State::Connected;
    bool closed_ = false;
    std::function<void()> idle_;  // set: abandoned
    std::size_t outstanding_ = 0;
    std::list<Operation> operations_;  // in the order in which they came
    std::vector<std::pair<Operation*, int>> answers_;
    std::vector<std::pair<std::uint64_t, BothFlushes>> flushes_;  // by their ids
    std::uint64_t last_kept_ = 0;                                 // number
    std::uint64_t kept_total_ = 0;                                // bytes
    std::deque<Kept> kept_;
    bool own_flush_ = false;   // on its way
    int owed_error_ = 0;       // of one of ours: the next one that is waited for has it
    bool meta_dirty_ = false;  // written since its last flush

    std::size_t replayed_ = 0;  // of kept_
    std::unique_ptr<Operation> replaying_;
    io::Slice zeroes_;

    boost::asio::posix::stream_descriptor socket_;  // the handle's
    bool reading_ = false;
    bool writing_ = false;
    bool turn_scheduled_ = false;
    std::uint64_t connection_ = 0;  // number: what waited for an earlier one says nothing of this
    boost::asio::steady_timer retry_;
    boost::asio::steady_timer limit_;

    // What ends later than the disk finds that it has gone.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace runtime
