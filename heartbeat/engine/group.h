// A resource group of haresources and what this node knows of it.
#pragma once

#include "config/ha/haresources.h"
#include "heartbeat/engine/events.h"
#include "heartbeat/engine/timer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

enum class ResourceState : std::uint8_t { stopped, starting, running, stopping, failed, unknown };

enum class GroupState : std::uint8_t {
    stopped,
    starting,
    running,
    stopping,
    failed,   // could not be started, has been given up
    blocked,  // a resource is in an unknown state: nothing is started on guesswork
};

std::string_view name_of(ResourceState state);
std::string_view name_of(GroupState state);
std::string_view name_of(AgentOperation operation);

struct Group {
    config::ResourceGroup config;
    bool local = false;  // we are its home
    GroupState state = GroupState::stopped;
    std::string reason;                    // of failed and blocked
    std::string told;                      // the reason of the last alarm since it was well
    std::vector<ResourceState> resources;  // as many as config.words
    bool wanted = false;                   // it is to run here
    bool wanted_again = false;             // ... while what has failed is still being stopped
    Time taken_at{};                       // when it last became wanted
    Timer recheck;                         // of a blocked group
    // Of a failed group: when it is offered to the partner, or tried here again.
    Timer again;
    unsigned looks = 0;     // at our start and later, that have not shown whether it runs here
    unsigned failures = 0;  // starts that failed since it last ran, or a person said "repaired"
    Time failed_at{};       // the last of them
    bool offered = false;   // the partner has had its turn
    bool doubtful = false;  // an agent that nobody waited for has ended: it is looked at again

    const std::string& key() const { return config.key(); }

    bool all(ResourceState state_of_all) const;
    bool any(ResourceState state_of_one) const;
    bool has_resource(std::string_view word) const;
};

Group make_group(const config::ResourceGroup& config, const std::string& node);

// What the end and the output of `status` say. The words are those of the original; an agent that
// did not end by itself, prints binary, or says "unknown" (LSB 4) has said nothing.
ResourceState verdict_of_status(const AgentDone& done);

}  // namespace hb
