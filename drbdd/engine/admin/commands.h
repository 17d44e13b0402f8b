// The administrator's commands in their order, and what becomes of one that takes its time: design
// note "commands and time-outs".
#pragma once

#include "drbdd/engine/admin/command.h"

#include <list>
#include <memory>

namespace engine {

// Each command is answered by its deadline, so that no administrator waits for ever: what has been
// decided goes on to its end, all else is taken back. Commands that touch the same thing are begun
// one after the other; one that has been answered holds up no other.
class Commands {
public:
    explicit Commands(Node node) : node_(node) {}

    void begin(const Admin& admin);
    void advance();
    io::Instant next_deadline() const;

private:
    struct Running {
        AdminId id;
        std::unique_ptr<Command> command;
        bool answered = false;  // with "still running"
    };

    bool must_wait(const Running& running) const;
    bool has_ended(const Running& running);
    void time_is_over(Running& running);
    void done(const Running& running, Answer answer);

    Node node_;
    std::list<Running> running_;  // oldest first
};

}  // namespace engine
