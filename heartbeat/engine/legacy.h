// auto_failback legacy: groups are asked for one by one with ip-request, the holder gives them up.
// Heartbeat specification, sections 3.6 (legacy) and 4.1.
#pragma once

#include "heartbeat/engine/groups.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <map>
#include <string>

namespace hb {

struct Core;

class Legacy {
public:
    explicit Legacy(Core& core) : core_(core) {}

    void on_time();
    Time next() const;

    void on_communication_up();
    void on_request(const Node& from, const wire::Message& message);
    void on_response(const wire::Message& message);
    void on_given(const BatchResult& result);

    void on_partner_gone() { asked_.clear(); }

private:
    void ask(std::size_t group);
    void respond(std::string_view key, bool owned);

    Core& core_;
    std::map<std::size_t, Time> asked_;  // group -> when to ask again
};

}  // namespace hb
