// What the cluster does with what its engines say: answers to the application are checked against
// the model, promotions decide which history goes on, the fence-peer handler is played.
#include "tests/sim/cluster.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sim {

using namespace std::chrono_literals;

using engine::ConnState;
using engine::DiskState;
using engine::Role;
using Op = engine::AppRequest::Op;

void Cluster::on_write_acked(Node node, RequestNumber id, const OpenRequest& request) {
    History& history = oracles_->history(request.volume);
    if (request.lineage == history.shared_lineage(node)) {
        const History::Reached reached = history.write_acked(node, id);
        if (!reached.mine || !reached.peers) {
            world_.trace.add(
                world_.now(), node, "= acked on one; id us peer", id, reached.mine, reached.peers);
        }
    }
    request.lineage->acked(id, request.fua);
}

// A request fails for want of data only: not on a node whose own disk has been good since it was
// made (what failed before the disk came back may be answered later).
void Cluster::check_failure(Node node, const OpenRequest& request, int error) {
    const engine::VolumeState state = host(node).status().volumes.at(request.volume).state;
    const bool writes = request.op != Op::Read;
    if (error == EIO && oracles_->had_disk_since(node, request.volume, request.issued) &&
        state.role == Role::Primary && state.disk == DiskState::UpToDate &&
        disk(node, request.volume).errors_given() == 0 &&
        (writes || state.conn < ConnState::Connected)) {
        world_.fail(std::string(name(node)) + " fails a request although its disk is good");
    }
}

bool Cluster::suspended(Node node, std::size_t volume) {
    const Suspension one{node, volume, host(node).incarnation()};
    return std::find(suspensions_.begin(), suspensions_.end(), one) != suspensions_.end();
}

// A Primary that does not know what its peer does, or has no good data: by its own word on the two
// disks, which only the handler, the peer, a disk or a person changes.
bool Cluster::must_wait(Node node, std::size_t volume) const {
    const Host& at = host(node);
    const engine::ResourceSettings& own = own_settings[index(node)].value_or(settings);
    const bool fenced = own.fencing == engine::Fencing::ResourceAndStonith;
    const bool waits = own.on_no_data == engine::OnNoData::SuspendIo;
    if (!at.running() || (!fenced && !waits)) {
        return false;
    }
    const engine::VolumeState state = at.status().volumes.at(volume).state;
    const bool alone = state.conn < ConnState::Connected && state.pdsk > DiskState::Outdated;
    const bool no_data = state.disk < DiskState::UpToDate && state.pdsk < DiskState::UpToDate;
    return state.role == Role::Primary &&
           ((fenced && alone && state.disk == DiskState::UpToDate) || (waits && no_data));
}

void Cluster::note_frozen(Node node) {
    for (std::size_t i = 0; i < options_.volumes; ++i) {
        const Suspension one{node, i, host(node).incarnation()};
        const bool resuming = std::find(resuming_.begin(), resuming_.end(), one) != resuming_.end();
        if (!must_wait(node, i)) {
            if (!resuming) {
                std::erase(resumed_, one);
            }
            must_freeze_[index(node)].erase(i);
        } else if (std::find(resumed_.begin(), resumed_.end(), one) != resumed_.end()) {
            must_freeze_[index(node)].erase(i);
        } else {
            must_freeze_[index(node)].insert(i);
        }
    }
}

// Who is not Primary is refused at once.
void Cluster::check_suspension(Node node, const OpenRequest& request, int error) {
    if (error != EROFS && suspended(node, request.volume)) {
        world_.fail(std::string(name(node)) + " answers a request although its I/O is suspended");
    }
    if (error != EROFS && must_freeze_[index(node)].contains(request.volume) &&
        must_wait(node, request.volume)) {
        world_.fail(std::string(name(node)) + " answers a request that has to wait");
    }
}

void Cluster::on_app_done(Node node, const engine::CompleteApp& done) {
    const auto found = open_.find(done.id.value);
    if (found == open_.end()) {
        return world_.fail("a request was answered twice, or one that nobody made");
    }
    const OpenRequest request = found->second;
    open_.erase(found);
    results_[done.id.value] = done.error;
    Lineage& lineage = *request.lineage;
    const bool ok = done.error == 0;
    failed_requests_ += ok ? 0 : 1;
    check_failure(node, request, done.error);
    check_suspension(node, request, done.error);
    switch (request.op) {
        case Op::Read: {
            const std::string wrong =
                ok ? lineage.read_done(done.id.value, done.data.bytes()) : std::string();
            if (!ok) {
                lineage.read_failed(done.id.value);
            }
            if (!wrong.empty()) {
                world_.fail(std::string(name(node)) + ": " + wrong);
            }
            break;
        }
        case Op::Flush:
            if (ok) {
                lineage.flushed(request.flush_mark);
            }
            break;
        case Op::Write:
        case Op::Discard:
        case Op::WriteZeroes:
            if (ok) {
                on_write_acked(node, done.id.value, request);
            } else {
                lineage.failed(done.id.value);
            }
            break;
    }
}

// Whoever is alone with good data, and is asked to be nobody else's judge, can be promoted.
void Cluster::check_refusal(Node node, const OpenAdmin& command, int code) {
    const bool waits = code == static_cast<int>(engine::StateCode::InTransientState) ||
                       code == static_cast<int>(engine::StateCode::ConcurrentStChg);
    if (!std::holds_alternative<engine::Promote>(command.command) || code == 0 || waits ||
        options_.fencing != engine::Fencing::DontCare) {
        return;
    }
    const engine::ResourceStatus now = host(node).status();
    const bool alone =
        std::all_of(now.volumes.begin(), now.volumes.end(), [](const engine::VolumeStatus& volume) {
            return volume.state.conn < ConnState::WFReportParams &&
                   volume.state.disk == DiskState::UpToDate;
        });
    if (alone) {
        world_.fail(std::string(name(node)) + " is alone with good data and not promoted");
    }
}

void Cluster::on_admin_done(Node node, const engine::AdminDone& done) {
    const auto found = open_admin_.find(done.id.value);
    if (found == open_admin_.end()) {
        return world_.fail(std::string(name(node)) + " answered a command twice");
    }
    const OpenAdmin command = found->second;
    open_admin_.erase(found);
    answers_[done.id.value] = {true, false, done.code, done.text};
    if (done.code == 0) {
        just_done_[index(node)].push_back(command.command);
    }
    check_refusal(node, command, done.code);
    if (!done.text.empty()) {
        world_.trace.text(world_.now(), node, "admin: " + done.text);
    }
}

void Cluster::on_admin_still_running(Node node, const engine::AdminStillRunning& answer) {
    const auto found = open_admin_.find(answer.id.value);
    if (found == open_admin_.end() || found->second.answered) {
        return world_.fail(std::string(name(node)) + " answered a command twice");
    }
    found->second.answered = true;
    answers_[answer.id.value] = {
        true, true, static_cast<int>(engine::StateCode::InTransientState), answer.text};
    world_.trace.text(world_.now(), node, "admin: " + answer.text);
}

void Cluster::on_handler(Node node, const engine::RunHandler& handler) {
    ++handlers_[handler.name];
    if (handler.name == "before-resync-target") {
        before_resync(node, handler);
    } else if (handler.report) {
        world_.after(fence_time, [this, node, incarnation = host(node).incarnation()] {
            fence_peer_of(node, incarnation);
        });
    }
}

void Cluster::handler_done(Node node, std::uint64_t incarnation, int exit_code) {
    if (host(node).running() && host(node).incarnation() == incarnation) {
        host(node).step(engine::HandlerDone{{0}, exit_code, "fence-peer"});
    }
}

void Cluster::before_resync(Node node, const engine::RunHandler& handler) {
    const std::optional<int> exit_code =
        before_resync_exit_code ? before_resync_exit_code(node, handler.volume) : 0;
    if (!exit_code) {
        return;
    }
    const engine::HandlerDone done{handler.volume, *exit_code, handler.name, handler.run};
    world_.after(std::max<io::Duration>(before_resync_time, 1us),
                 [this, node, done, incarnation = host(node).incarnation()] {
                     if (host(node).running() && host(node).incarnation() == incarnation) {
                         host(node).step(done);
                     }
                 });
}

// As drbd-peer-outdater does it.
void Cluster::fence_peer_of(Node node, std::uint64_t incarnation) {
    const Node peer = other(node);
    if (fence_exit_code || !fence_network || !host(peer).running()) {
        return handler_done(node, incarnation, fence_exit_code.value_or(5));
    }
    const auto asked = std::make_shared<std::vector<engine::AdminId>>();
    for (std::size_t i = 0; i < options_.volumes; ++i) {
        asked->push_back(admin_begin(peer, engine::Outdate{{static_cast<std::uint16_t>(i)}}));
    }
    world_.after(1s, [this, node, incarnation, asked] {
        int verdict = 4;
        for (const engine::AdminId id : *asked) {
            const AdminResult result = answer(id);
            const bool primary =
                result.code == static_cast<int>(engine::StateCode::NoUpToDateDisk) ||
                result.code == static_cast<int>(engine::StateCode::PrimaryNop);
            const bool worse =
                result.code == static_cast<int>(engine::StateCode::LowerThanOutdated);
            // The worst of all volumes; that the peer is in use above all.
            verdict = result.ok() || verdict == 6 ? verdict : primary ? 6 : worse ? 3 : 20;
        }
        handler_done(node, incarnation, verdict);
    });
}

// The other node is Primary as well, or was after the two had parted.
bool Cluster::is_split(Node node, std::size_t volume, const engine::VolumeStatus& status) const {
    const Host::Volume& peers = host(other(node)).volume(volume);
    const auto superblock = read_superblock(*peers.disk, peers.layout);
    return was_primary_[index(other(node))] ||
           (superblock &&
            ((superblock->current_uuid ^ status.bitmap_uuid) & ~meta::kUuidPrimaryBit) != 0);
}

// Only a person, or a handler that says that the peer is dead, makes two of them.
void Cluster::check_lone_primary(Node node) {
    const Host& peer = host(other(node));
    const bool forced = std::any_of(open_admin_.begin(), open_admin_.end(), [&](const auto& open) {
        const auto* promote = std::get_if<engine::Promote>(&open.second.command);
        return open.second.node == node && promote != nullptr && promote->force;
    });
    const bool wanted =
        forced || oracles_->data_loss_allowed() || fence_exit_code || !fence_network;
    if (!wanted && peer.running() && peer.status().role == Role::Primary) {
        world_.fail(std::string(name(node)) + " becomes Primary beside another one");
    }
}

// A promotion without the peer's consent decides which history goes on.
void Cluster::note_promotion(Node node) {
    const engine::ResourceStatus now = host(node).status();
    const bool primary = now.role == Role::Primary;
    if (primary && !was_primary_[index(node)]) {
        check_lone_primary(node);
        for (std::size_t i = 0; i < options_.volumes; ++i) {
            const engine::VolumeState& state = now.volumes[i].state;
            History& history = oracles_->history(i);
            if (state.conn >= ConnState::Connected && state.disk < DiskState::Inconsistent &&
                history.holds(other(node)) == Holds::Stale) {
                // The only disk with everything is lost, and by the identifiers nobody can tell.
                history.overrule(other(node));
            }
            if (state.conn >= ConnState::Connected && state.disk < DiskState::Inconsistent) {
                history.works_through_peer(node);
            }
            // A connected peer without a disk has no say in it either.
            const bool alone =
                state.conn < ConnState::Connected || state.pdsk < DiskState::Inconsistent;
            if (alone && state.disk == DiskState::UpToDate) {
                world_.trace.add(world_.now(),
                                 node,
                                 "= promoted alone; volume, holds",
                                 i,
                                 static_cast<std::uint64_t>(history.holds(node)));
                history.promoted_alone(node, is_split(node, i, now.volumes[i]));
            }
        }
    }
    for (std::size_t i = 0; i < options_.volumes && primary; ++i) {
        const engine::VolumeState& state = now.volumes[i].state;
        if (state.conn >= ConnState::Connected && state.disk < DiskState::Inconsistent) {
            oracles_->history(i).only_disk_is(other(node));
        }
    }
    for (std::size_t i = 0; i < options_.volumes && !primary && was_primary_[index(node)]; ++i) {
        const engine::VolumeState& state = now.volumes[i].state;
        if (state.conn == ConnState::Connected && state.disk == DiskState::UpToDate &&
            state.pdsk == DiskState::UpToDate) {
            oracles_->history(i).settled();  // a demotion waits for the peer, whatever the protocol
        }
    }
    was_primary_[index(node)] = primary;
    receiving_[index(node)] =
        std::any_of(now.volumes.begin(), now.volumes.end(), [](const engine::VolumeStatus& volume) {
            // A Primary without a disk waits for ours, whatever the protocol.
            return volume.state.conn >= ConnState::Connected &&
                   volume.state.peer == Role::Primary &&
                   volume.state.pdsk >= DiskState::Inconsistent;
        });
}

// Of a command of this kind that is under way on the node, or has just come to a good end.
template <typename Command>
bool Cluster::asked_for(Node node, const std::function<bool(const Command&)>& fits) const {
    const auto is_it = [&](const engine::AdminCommand& command) {
        const auto* wanted = std::get_if<Command>(&command);
        return wanted != nullptr && fits(*wanted);
    };
    return std::any_of(open_admin_.begin(),
                       open_admin_.end(),
                       [&](const auto& entry) {
                           return entry.second.node == node && is_it(entry.second.command);
                       }) ||
           std::any_of(just_done_[index(node)].begin(), just_done_[index(node)].end(), is_it);
}

// What was answered with a failure has not happened, and does not happen later.
void Cluster::check_that_it_was_asked_for(Node node) {
    const engine::ResourceStatus now = host(node).status();
    const std::size_t i = index(node);
    const bool promoted = now.role == Role::Primary && !was_primary_[i];
    if (promoted && !asked_for<engine::Promote>(node, [](const auto&) { return true; })) {
        world_.fail(std::string(name(node)) + " is Primary, and no promotion was under way");
    }
    for (std::size_t v = 0; v < options_.volumes; ++v) {
        const bool has_disk = now.volumes[v].state.disk != DiskState::Diskless;
        const bool got_it = has_disk && !had_disk_[i].contains(v);
        if (got_it && !asked_for<engine::Attach>(
                          node, [v](const auto& attach) { return attach.volume.value == v; })) {
            world_.fail(std::string(name(node)) + " has a disk again, and no attach was under way");
        }
        if (has_disk) {
            had_disk_[i].insert(v);
        } else {
            had_disk_[i].erase(v);
        }
    }
    just_done_[i].clear();
}

void Cluster::on_step_done(Node node) {
    check_that_it_was_asked_for(node);
    note_promotion(node);
    note_frozen(node);
    oracles_->after_step(node);
}

void Cluster::on_process_gone(Node node) {
    was_primary_[index(node)] = false;
    had_disk_[index(node)].clear();
    must_freeze_[index(node)].clear();
    just_done_[index(node)].clear();
    const bool receiving = std::exchange(receiving_[index(node)], false);
    for (auto it = open_.begin(); it != open_.end();) {
        if (it->second.node != node) {
            ++it;
            continue;
        }
        Lineage& lineage = *it->second.lineage;
        if (it->second.op == Op::Read) {
            lineage.read_failed(it->first);
        } else if (it->second.op != Op::Flush) {
            lineage.failed(it->first);
        }
        results_[it->first] = ENODEV;
        it = open_.erase(it);
    }
    for (auto it = open_admin_.begin(); it != open_admin_.end();) {
        if (it->second.node == node) {
            answers_[it->first] = {true, false, -1, "the process died"};
        }
        it = it->second.node == node ? open_admin_.erase(it) : std::next(it);
    }
    for (std::size_t i = 0; i < options_.volumes; ++i) {
        History& history = oracles_->history(i);
        if (host(node).powered()) {
            history.process_killed(node, receiving);
        } else {
            history.power_cut(node, receiving);
        }
    }
    oracles_->after_process_gone(node);
}

}  // namespace sim
