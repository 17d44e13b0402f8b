// drbdsetup events2 and its options. Configuration specification, section 9.4.
#pragma once

#include "cli/drbdsetup/commands.h"
#include "drbdd/control/messages.h"

#include <map>
#include <string>

namespace drbdsetup {

// What the stream has told of each object so far, for --full and --diff.
class EventMemory {
public:
    // The event with all that is known of its object: with `full` in place of what changed alone,
    // with `diff` each changed value as "old->new".
    control::Event remembered(const control::Event& event, bool full, bool diff);

private:
    struct Object {
        control::Event::Fields state;
        control::Event::Fields statistics;
    };

    std::map<std::string, Object> objects_;
};

int events2(const Arguments& arguments, cli::Client& client);

}  // namespace drbdsetup
