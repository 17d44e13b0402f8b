#include "drbdd/engine/admin/commands.h"

#include <algorithm>
#include <typeinfo>
#include <utility>

namespace engine {

void Commands::begin(const Admin& admin) {
    running_.push_back({admin.id, make_command(node_, admin.command)});
}

void Commands::advance() {
    for (auto it = running_.begin(); it != running_.end();) {
        it = has_ended(*it) ? running_.erase(it) : std::next(it);
    }
    for (auto it = running_.begin(); it != running_.end();) {
        if (it->answered || it->command->deadline() > node_.core.now) {
            ++it;
            continue;
        }
        time_is_over(*it);
        it = it->answered ? std::next(it) : running_.erase(it);
    }
}

bool Commands::has_ended(const Running& running) {
    if (must_wait(running)) {
        return false;
    }
    std::optional<Answer> answer = running.command->advance();
    REQUIRE(!running.answered || running.command->decided());
    if (!answer) {
        return false;
    }
    done(running, *std::move(answer));
    return true;
}

// An answer is all that changes for what has been decided.
void Commands::time_is_over(Running& running) {
    Command& command = *running.command;
    if (command.decided()) {
        running.answered = true;
        node_.core.emit(AdminStillRunning{running.id,
                                          "still waiting for " + command.what_is_awaited() +
                                              "; it goes on and may still happen"});
        node_.core.progress = true;  // whoever waited for the answer
        return;
    }
    const std::string why = !command.asked() && must_wait(running)
                                ? "an earlier command is still waiting"
                                : command.why_not();
    command.withdraw();
    done(running, Answer::in_transient_state(why + "; nothing was changed"));
}

bool Commands::must_wait(const Running& running) const {
    const Command& command = *running.command;
    if (command.not_before() > node_.core.now && node_.core.now < command.deadline()) {
        return true;
    }
    for (const Running& earlier : running_) {
        if (&earlier == &running) {
            return false;
        }
        const Command& other = *earlier.command;
        const bool joins = command.joins_an_earlier_one() && typeid(other) == typeid(command);
        if ((!earlier.answered || joins) && other.scope().overlaps(command.scope())) {
            return true;
        }
    }
    REQUIRE(false);  // it is one of them
}

void Commands::done(const Running& running, Answer answer) {
    node_.core.emit(AdminDone{running.id, answer.code, std::move(answer.text)});
    node_.core.progress = true;
}

io::Instant Commands::next_deadline() const {
    io::Instant next = io::kNever;
    for (const Running& running : running_) {
        if (running.answered) {
            continue;
        }
        const Command& command = *running.command;
        next = std::min(next, command.deadline());
        for (const io::Instant at : {command.not_before(), command.look_again()}) {
            if (at > node_.core.now) {
                next = std::min(next, at);
            }
        }
    }
    return next;
}

}  // namespace engine
