// One volume on this node: its state, its backing disk with metadata, and the parts that work on
// it.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/peer/peer_device.h"
#include "drbdd/engine/requests/requests.h"
#include "drbdd/engine/rules/lineage.h"
#include "drbdd/engine/rules/state.h"
#include "drbdd/engine/status.h"
#include "drbdd/engine/volume/activity_log.h"
#include "drbdd/engine/volume/attach.h"
#include "drbdd/engine/volume/bitmap.h"
#include "drbdd/engine/volume/disk_watch.h"
#include "drbdd/engine/volume/freezer.h"
#include "drbdd/engine/volume/local_disk.h"
#include "drbdd/engine/volume/meta_store.h"
#include "drbdd/engine/volume/resizer.h"

#include <cstdint>
#include <memory>
#include <string>

namespace engine {

class Connection;
class PeerWrites;

class Device {
public:
    Device(Core& core, const VolumeSettings& settings, Connection& connection, PeerWrites& writes);

    VolumeNumber number() const { return settings_.number; }

    std::uint32_t minor() const { return settings_.minor; }

    const VolumeSettings& settings() const { return settings_; }

    void change_settings(const VolumeSettings& settings) { settings_ = settings; }

    const VolumeState& state() const { return state_; }

    // Sanitised, logged, entered in the metadata, with all that follows from it.
    void change_state(const VolumeState& wanted, bool quiet = false);
    void change_conn(ConnState conn);
    void change_disk(DiskState disk);
    void change_role(Role role);

    // --- Disk ---
    void attach(const io::DiskGeometry& geometry);

    bool attaching() const { return attacher_.running(); }

    // The metadata have been read and may be changed.
    bool attached() const { return store.is_open() && !attaching(); }

    const Attacher& attacher() const { return attacher_; }

    // Orderly: the application's writes under way come to their end on both copies, then the disk
    // is no member any more (Failed), then it is closed (Diskless). Given up if by then nobody else
    // has the data.
    void begin_detach();

    // Now, whatever the disk still has to answer: from here on this copy is none. What waited for
    // the disk goes on with an error of it.
    void force_detach();

    bool detaching() const { return draining_ || detaching_; }

    // Before it leaves: no write is started.
    bool draining() const { return draining_; }

    // What it holds counts as a copy of the data in use.
    bool is_member() const { return local_usable() && state_.disk == DiskState::UpToDate; }

    // An operation on the backing disk failed: bitmap, log and policy follow.
    void disk_failed(bool metadata, const std::string& what);

    // It is not used, or no more: no error of its.
    void give_up_disk(const std::string& why);

    // A flush of data failed. Whatever the policy, nothing that was written since the last good one
    // is vouched for: it is taken back from the peer, and everything counts as different.
    void flush_failed(const std::string& what);

    // An error that was passed on (on-io-error pass_on) has made the disk Inconsistent: it has all
    // writes but for what failed.
    bool counts_as_bad() const { return counts_as_bad_; }

    // Since a flush failed not all that may be lost by it has been written again: the disk's cache
    // may show it, and forget it some day.
    bool doubts_its_cache() const { return doubts_its_cache_; }

    // Everything that was marked has been written again.
    void trust_its_cache() {
        doubts_its_cache_ = false;
        requests.forget_flush_error();
    }

    // The peer's copy is good, and at hand.
    bool peer_has_data() const {
        return state_.conn >= ConnState::Connected && state_.pdsk == DiskState::UpToDate;
    }

    // The local copy may be read and written.
    bool local_usable() const {
        return disk.accepts() && !detaching_ && state_.disk >= DiskState::Inconsistent &&
               state_.disk != DiskState::DUnknown;
    }

    void on_disk_done(const DiskDone& done);

    // --- Data generations ---
    GenerationIds ids() const { return store.ids(); }

    void new_current_uuid();
    // From now on our data go their own way: they get an identifier that the peer's disk can't
    // bear.
    void part_ways();

    // A negative ack: the peer lacks a write. That is lost contact to its data, which its state
    // will say a moment later on the other socket; completions wait for the new generation.
    void on_peer_refused_write();

    const Lineage& lineage() const { return lineage_; }

    void set_peer_may_bear_current(bool may) { lineage_.peer_may_bear_current(may); }

    // Without a disk a Primary goes on with the peer's data, which begin a new generation by that.
    // Until both know it nothing is written, completed or promised.
    void go_on_with_peers_data();
    void on_peer_generation(std::uint64_t current);

    bool awaits_generation() const { return generation_due_ != io::kNever; }

    // The connection is gone, or the peer says nothing. True if it was waited for.
    bool give_up_generation();

    bool has_newest_data() const {
        return lineage_.has_newest_data(state_, ids(), bitmap.count() != 0);
    }

    void note_write_lost_with_disk();

    // What the attached disk counts as without a peer.
    DiskState disk_when_attached() const { return disk_when_attached_; }

    std::uint64_t size_sectors() const { return size_sectors_; }

    // Whole sectors of the device: nothing else that a peer names is listened to.
    bool covers(base::Sector sector, std::uint64_t bytes) const;

    enum class NewBits : std::uint8_t { Set, Clear };

    // What is added is out of sync, unless somebody vouches for it.
    void set_size(std::uint64_t sectors, NewBits bits = NewBits::Set);
    // The same, after the metadata have moved: the new size is in them.
    void on_moved(std::uint64_t sectors);

    // `size` of the configuration, from now on; 0: none.
    void want_size(std::uint64_t sectors) { settings_.disk.size_sectors = sectors; }

    // The largest size that this node can offer; 0 without a disk.
    std::uint64_t own_max_sectors() const;
    // The same, once its metadata have moved to the end of the disk.
    std::uint64_t max_after_move() const;

    // What users are told to keep to: the larger one of both disks' sectors. Any multiple of 512
    // works, at the price of reading the rest of the block.
    std::uint32_t block_bytes() const;

    Connection& peer_connection() const { return connection_; }

    bool usable() const;
    VolumeStatus status(io::Instant now) const;

    void advance();
    io::Instant next_deadline() const;
    void log_line(base::LogLevel level, const std::string& text) const;
    void mark_out_of_sync(base::Sector sector, std::uint64_t bytes);
    void mark_in_sync(base::Sector sector, std::uint64_t bytes);
    // Something uses this range of the disk, other than the application's requests.
    bool peer_busy(base::Sector sector, std::uint64_t bytes) const;

    LocalDisk disk;
    Bitmap bitmap;
    ActivityLog log;
    MetaStore store;
    Resizer resizer;
    Freezer freezer;
    Requests requests;
    PeerDevice peer;
    Ranges<std::uint64_t> peer_ranges;  // the peer's writes on their way to the disk

    struct Counters {
        std::uint64_t read = 0;  // sectors
        std::uint64_t written = 0;
        std::uint64_t received = 0;
        std::uint64_t sent = 0;
    };

    Counters counters;

private:
    void keep_verdict(VolumeState& next);
    void remember_declared_bad(VolumeState& next);
    void after_change(const VolumeState& old);
    void update_flags();
    void begin_generation(GenerationIds next);
    void on_disk_ended(const DiskTicket& ticket, int error);
    void finish_attach();
    void fail_disk(const std::string& what);
    void abandon_disk();
    void finish_detach();
    void remember_exposed_data();
    void advance_detach();
    std::uint64_t as_wanted(std::uint64_t usable) const;
    void refuse_disk(int code, const std::string& why);
    void leave();

    Core& core_;
    VolumeSettings settings_;
    Connection& connection_;
    PeerWrites& peer_writes_;
    Attacher attacher_;
    VolumeState state_;
    Lineage lineage_;
    bool draining_ = false;
    bool detaching_ = false;
    bool detach_stored_ = false;
    MetaStore::Ticket detach_ticket_ = 0;
    MetaStore::Generation detach_generation_ = 0;
    io::Instant generation_due_ = io::kNever;  // the peer's new generation is waited for until then
    DiskWatch disk_watch_;
    bool counts_as_bad_ = false;
    bool doubts_its_cache_ = false;
    bool refuse_attached_ = false;  // the disk being attached holds other data than those in use
    DiskState disk_when_attached_ = DiskState::Inconsistent;
    std::uint64_t size_sectors_ = 0;
    bool last_usable_ = false;
    io::Instant age_log_at_{};
};

}  // namespace engine
