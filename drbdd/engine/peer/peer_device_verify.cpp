// The life of an online verify, on both sides: how it begins, where it goes on, how it ends. The
// comparing itself is verify.cpp. Wire specification, section 8.9.
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/peer/peer_device.h"
#include "drbdd/engine/volume/device.h"

namespace engine {

using base::ull;

bool PeerDevice::start_verify(std::uint64_t first, std::uint64_t end, bool repair) {
    base::Result<std::unique_ptr<base::Digest>> digest =
        base::Digest::make(core_.settings.net.verify_alg);
    if (!digest || first >= end) {
        announce_state();  // settings or size have changed meanwhile: the peer need not wait
        return false;
    }
    device_.change_conn(ConnState::VerifyS);
    if (device_.state().conn != ConnState::VerifyS) {
        return false;  // a disk has failed meanwhile; the peer hears of that
    }
    begin_verify();
    repairs_ = repair;
    verify_source.start({first}, {end}, std::move(*digest));
    device_.log_line(base::LogLevel::Info,
                     base::format("Starting Online Verify from sector %llu", ull(first)));
    return true;
}

void PeerDevice::begin_verify() {
    verify_ping_.reset();
    sync_started_ = last_bitmap_write_ = core_.now;
    paused_for_ = {};
    sync_total_bits_ = 0;
    marks_.start(core_.now, 0);
}

void PeerDevice::join_verify() {
    begin_verify();
    verify_target.start();
}

// The next one goes on from here, unless told otherwise.
void PeerDevice::leave_verify() {
    const bool was_source = verify_source.running();
    std::optional<base::Sector> reached = verify_target.stop();
    if (was_source) {
        reached = verify_source.stop();
    }
    verify_ping_.reset();
    repairs_ = repair_due_ = false;
    if (reached) {
        verify_from_ = reached->value / base::kSectorsPerBit * base::kSectorsPerBit;
        device_.log_line(base::LogLevel::Info,
                         base::format("Online Verify reached sector %llu", ull(verify_from_)));
        if (device_.attached()) {
            device_.store.write_bitmap();
        }
    }
}

// When everything has been compared both nodes ping: so all results have been handled.
void PeerDevice::advance_verify() {
    if (verify_source.running() && !verify_source.fits()) {
        device_.change_conn(ConnState::Connected);
        announce_state();
    }
    verify_target.advance();
    verify_source.advance();
    const bool done = verify_source.done() || verify_target.done();
    if (!done || !verifying(device_.state().conn)) {
        return;
    }
    if (!verify_ping_) {
        verify_ping_ = connection_.ping();
    } else if (connection_.liveness().answered(*verify_ping_)) {
        finish_verify();
    }
}

// The peer says that it is over: it has reached its stop sector, or ended early.
void PeerDevice::on_peer_ended_verify() {
    if (verify_target.begun()) {
        finish_verify();
    } else {
        device_.change_conn(ConnState::Connected);
    }
}

void PeerDevice::finish_verify() {
    const bool began = verify_source.running();
    const std::uint64_t sectors =
        began ? verify_source.sectors_in_all()
              : verify_target.sectors_in_all() - verify_target.sectors_left();
    if (began) {
        verify_source.stop();
    } else {
        verify_target.stop();
    }
    const bool repairs = began && repairs_;
    verify_from_ = 0;
    verify_ping_.reset();
    log_done("Online verify", sectors / 2);
    const std::uint64_t found = device_.bitmap.count();
    if (found > 0) {
        device_.log_line(
            base::LogLevel::Alert,
            base::format("Online verify found %llu 4k block out of sync!", ull(found)));
    }
    device_.change_conn(ConnState::Connected);
    device_.store.write_bitmap();
    if (found > 0) {
        core_.emit(RunHandler{device_.number(), "out-of-sync"});
    }
    if (began && connection_.dialect() != 100) {
        announce_state();
    }
    repair_due_ = repairs && found > 0;
}

// The peer is told that it is behind, and gets what is marked on both nodes.
void PeerDevice::advance_repair() {
    const VolumeState& state = device_.state();
    if (!repair_due_) {
        return;
    }
    if (state.conn != ConnState::Connected || state.role != Role::Primary) {
        repair_due_ = false;
        device_.log_line(base::LogLevel::Warning, "What the verify has found is not repaired now.");
    } else if (may_run_ahead()) {
        repair_due_ = false;
        device_.log_line(base::LogLevel::Info, "Repairing what the verify has found.");
        run_ahead(true);
    }
}

std::uint64_t PeerDevice::verify_bits_left() const {
    const std::uint64_t sectors =
        verify_source.running() ? verify_source.sectors_left() : verify_target.sectors_left();
    return (sectors + base::kSectorsPerBit - 1) / base::kSectorsPerBit;
}

std::uint64_t PeerDevice::verify_bits_in_all() const {
    const std::uint64_t sectors =
        verify_source.running() ? verify_source.sectors_in_all() : verify_target.sectors_in_all();
    return (sectors + base::kSectorsPerBit - 1) / base::kSectorsPerBit;
}

VerifiedRange PeerDevice::verified() const {
    const bool here = verify_source.running();
    const base::Sector first = here ? verify_source.first() : verify_target.first();
    const std::uint64_t all =
        here ? verify_source.sectors_in_all() : verify_target.sectors_in_all();
    const std::uint64_t left = here ? verify_source.sectors_left() : verify_target.sectors_left();
    return {first, {first.value + all}, {first.value + all - left}};
}

}  // namespace engine
