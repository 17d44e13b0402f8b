// One command of the administrator's while it is under way: design note "commands and time-outs".
// Each kind is a class of its own, which says what it waits for.
#pragma once

#include "drbdd/engine/admin/fencer.h"
#include "drbdd/engine/core.h"
#include "drbdd/engine/events.h"
#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/rules/state.h"
#include "drbdd/engine/volume/volumes.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace engine {

// Everything is answered before the second is over, transport to the administrator and the opening
// of a disk included.
inline constexpr io::Duration kAnswerWithin = std::chrono::milliseconds(700);

// This node's side of the resource, as commands see it.
struct Node {
    Core& core;
    Volumes& volumes;
    Connection& connection;
    Fencer& fencer;
    bool going_down = false;  // a Down has been decided

    // Whether the sanitised change may be made on request.
    StateCode check(const VolumeState& from, const VolumeState& to) const;
};

// What a command touches. Two that share something are begun one after the other.
struct Scope {
    enum class Reach : std::uint8_t { Nothing, Connection, Volume, Everything };

    Reach reach = Reach::Everything;
    VolumeNumber volume{};  // for Reach::Volume

    bool overlaps(const Scope& other) const;
    bool covers(VolumeNumber number) const;
};

// How a command has ended: an error number of drbdsetup's or a StateCode, and words.
struct Answer {
    int code = 0;  // 0: success
    std::string text{};

    static Answer success() { return {}; }

    static Answer of(StateCode code);
    static Answer no_such_volume();
    // Nothing was changed; `why` says what the command would have waited for.
    static Answer in_transient_state(const std::string& why);
};

class Command {
public:
    Command(Node& node, Scope scope)
        : scope_(scope), deadline_(node.core.now + kAnswerWithin), node_(node) {}

    virtual ~Command() = default;
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    // Goes on as far as it can. Its answer when it has come to its end, nothing while it waits.
    virtual std::optional<Answer> advance() = 0;

    // Its change has been made: a time-out is only an answer, and it goes on to its end.
    bool decided() const { return decided_; }

    // The peer was asked for its consent.
    bool asked() const { return asked_; }

    // A second one of its kind is done when the first one is.
    virtual bool joins_an_earlier_one() const { return false; }

    // When it has been decided and its time is over: "the local disk of volume 0".
    virtual std::string what_is_awaited() const;

    // When its time is over and nothing was decided: "no answer from the peer in time".
    virtual std::string why_not() const;

    // Its time is over and nothing was decided: what was asked of the peer is withdrawn, also for
    // volumes to which it has agreed.
    virtual void withdraw();

    const Scope& scope() const { return scope_; }

    io::Instant deadline() const { return deadline_; }

    // It does not go on before; always below the deadline.
    io::Instant not_before() const { return not_before_; }

    // When advance() may find something new although nothing has happened.
    io::Instant look_again() const { return look_again_; }

protected:
    Core& core() const { return node_.core; }

    Connection& connection() const { return node_.connection; }

    Volumes& volumes() const { return node_.volumes; }

    Node& node() const { return node_; }

    // That of the scope; nullptr: there is none, or no more.
    Device* device() const { return node_.volumes.find(scope_.volume); }

    void decide() { decided_ = true; }

    void set_asked(bool asked) { asked_ = asked; }

    void look_again_at(io::Instant at) { look_again_ = at; }

    // The peer may be dead without our knowing: ask, and look again.
    void ping_first();

    // No success is told of before it is on disk.
    std::optional<Answer> success_when_stored() const;

private:
    const Scope scope_;
    const io::Instant deadline_;
    Node& node_;
    bool decided_ = false;
    bool asked_ = false;
    io::Instant not_before_{};
    io::Instant look_again_{};
};

// The one for what was asked for.
std::unique_ptr<Command> make_command(Node& node, const AdminCommand& command);

// One for each kind; the classes are their files' own.
std::unique_ptr<Command> make(Node& node, const Attach& what);
std::unique_ptr<Command> make(Node& node, const Detach& what);
std::unique_ptr<Command> make(Node& node, const ConnectCommand& what);
std::unique_ptr<Command> make(Node& node, const Disconnect& what);
std::unique_ptr<Command> make(Node& node, const Promote& what);
std::unique_ptr<Command> make(Node& node, const Demote& what);
std::unique_ptr<Command> make(Node& node, const Invalidate& what);
std::unique_ptr<Command> make(Node& node, const InvalidateRemote& what);
std::unique_ptr<Command> make(Node& node, const NewCurrentUuid& what);
std::unique_ptr<Command> make(Node& node, const StartVerify& what);
std::unique_ptr<Command> make(Node& node, const PauseSync& what);
std::unique_ptr<Command> make(Node& node, const SuspendIo& what);
std::unique_ptr<Command> make(Node& node, const Outdate& what);
std::unique_ptr<Command> make(Node& node, const PeerSuspect& what);
std::unique_ptr<Command> make(Node& node, const PeerDead& what);
std::unique_ptr<Command> make(Node& node, const Down& what);
std::unique_ptr<Command> make(Node& node, const ChangeSettings& what);
std::unique_ptr<Command> make(Node& node, const Resize& what);
std::unique_ptr<Command> make(Node& node, const AddVolume& what);
std::unique_ptr<Command> make(Node& node, const RemoveVolume& what);

}  // namespace engine
