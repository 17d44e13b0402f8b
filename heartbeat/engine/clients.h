// The programs of `respawn` and `failfast`, and what other nodes ask about clients.
// Heartbeat specification, sections 2.6 (query-cstatus, hbapi-clstat) and 3.11.
#pragma once

#include "config/ha/ha_cf.h"
#include "heartbeat/engine/node.h"
#include "heartbeat/wire/message.h"

#include <string>
#include <string_view>
#include <vector>

namespace hb {

struct Core;

// The last part of the program's path.
std::string program_of(const config::HaRespawn& line);

class Clients {
public:
    explicit Clients(Core& core) : core_(core) {}

    void on_communication_up();
    void on_exited(const ClientExited& exited);
    // Tells the cluster that a client of ours joined (or left).
    void announce(std::string_view client, bool joined);
    void on_query(const Node& from, const wire::Message& message);
    void on_client_status(const wire::Message& message);

private:
    struct Client {
        bool running = false;
        Time started{};
        int quick_deaths = 0;
    };

    bool is_built_in(const config::HaRespawn& line) const;
    void start(std::size_t index);

    Core& core_;
    std::vector<Client> clients_;  // as in HaCf's respawn
};

}  // namespace hb
