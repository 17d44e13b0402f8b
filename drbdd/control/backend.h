// What the admin server needs of the rest of the daemon. Kept apart, so that the server can be
// tried against broken resources.
#pragma once

#include "drbdd/control/messages.h"

#include <functional>
#include <string>

namespace control {

struct Outcome {
    int code = 0;
    std::string text;
    Json data = Json::object();
};

class Backend {
public:
    virtual ~Backend() = default;

    using Done = std::function<void(Outcome)>;

    // Starts any command but version, status and events2. Called on the server's thread; returns at
    // once. `done` may be called from any thread, at any time or never; the first call is the
    // answer.
    virtual void execute(const Request& request, Done done) = 0;

    // Asks the resources (empty: all) for an AdminServer::update() with the newest counters;
    // `done` after those that answer. Same rules as execute().
    virtual void refresh(const std::string& resource, std::function<void()> done) = 0;
};

}  // namespace control
