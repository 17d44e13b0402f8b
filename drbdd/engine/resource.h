// The root of the engine: the volumes, the connection, and the administrator's commands.
#pragma once

#include "drbdd/engine/connection.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/device.h"
#include "drbdd/engine/fencer.h"
#include "drbdd/engine/status.h"

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace engine {

class Resource {
public:
    Resource(ResourceSettings settings,
             io::BufferPool& pool,
             base::LogSink& log,
             io::Challenges& challenges,
             std::uint64_t seed);

    void step(io::Instant now, Event event, Effects& effects);
    io::Instant next_deadline() const;
    ResourceStatus status(io::Instant now) const;

    std::vector<std::unique_ptr<Device>>& devices() { return devices_; }

    const std::vector<std::unique_ptr<Device>>& devices() const { return devices_; }

    Fencer& fencer() { return fencer_; }

    std::uint64_t last_step_work() const { return core_.work.done; }

    Role role() const;
    Device* find(VolumeNumber volume);
    const Device* find(VolumeNumber volume) const;

private:
    // A command that may take more than one step. Each is answered by its deadline, so that no
    // administrator waits for ever: what has been decided goes on to its end, all else is taken
    // back. Commands that touch the same thing are begun one after the other; one that has been
    // answered holds up no other.
    struct Running {
        AdminId id{};
        AdminCommand command{};
        io::Instant deadline{};
        bool decided = false;   // its change has been made: a time-out is only an answer
        bool answered = false;  // with "still running"
        int stage = 0;          // of the command's own
        bool retried = false;
        int fence_calls = 0;
        Outdating outdate{};
        std::uint64_t ping = 0;
        io::Instant not_before{};
        io::Instant look_again{};
    };

    void dispatch(Event event);
    void on_handler_done(const HandlerDone& done);
    void advance_admin();
    bool run(Running& running);  // true when it has been answered
    void done(const Running& running, int code, std::string text = {});
    void done(const Running& running, StateCode code);
    bool run(Running& running, const Attach& command);
    bool run(Running& running, const Detach& command);
    std::optional<StateCode> may_detach(Running& running, Device& device);
    bool run(Running& running, const ConnectCommand& command);
    bool leave(Running& running, Outdating outdate);
    bool run(Running& running, const Disconnect& command);
    bool run(Running& running, const Promote& command);
    bool run(Running& running, const Demote& command);
    bool run(Running& running, const Invalidate& command);
    bool run(Running& running, const InvalidateRemote& command);
    bool run(Running& running, const PauseSync& command);
    bool run(Running& running, const Outdate& command);
    bool run(Running& running, const PeerSuspect& command);
    bool run(Running& running, const PeerDead& command);
    bool run(Running& running, const Down& command);
    bool run(Running& running, const ChangeSettings& command);
    bool must_wait(const Running& running) const;
    bool taking_down() const;

    // A command of this kind was answered late and has not ended.
    template <typename Command>
    bool still_running(const Running& running) const {
        return std::any_of(commands_.begin(), commands_.end(), [&](const Running& other) {
            return &other != &running && other.answered &&
                   std::holds_alternative<Command>(other.command);
        });
    }

    void give_back_disk(const Running& running);
    void refuse_going_down(const Running& running);
    void answer_late(Running& running);
    void take_back(const Running& running);
    std::string why_not(const Running& running) const;
    std::string what_is_awaited(const Running& running) const;
    std::string volumes_where(bool (*holds)(const Device&)) const;

    VolumeState promoted(const Device& device, bool force) const;
    StateCode check_promotion(const Promote& command) const;
    bool fence_before_promotion(Running& running, StateCode code, const Promote& command);
    void finish_promotion(const Promote& command);
    void refuse_promotion(const Running& running, StateCode code, const Promote& command);
    bool full_sync(Running& running, Device& device, ConnState conn);
    StateCode check(const VolumeState& from, const VolumeState& to) const;
    bool stored() const;
    bool done_when_stored(Running& running);
    bool attaching() const;

    Core core_;
    Connection connection_;
    Fencer fencer_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::list<Running> commands_;  // oldest first
};

}  // namespace engine
