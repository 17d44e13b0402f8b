#include "heartbeat/engine/clients.h"

#include "heartbeat/engine/core.h"

#include <algorithm>

namespace hb {

namespace {

constexpr int kDoNotRespawn = 100;
constexpr Time kQuick{30'000};
constexpr int kMaxQuickDeaths = 10;

}  // namespace

std::string program_of(const config::HaRespawn& line) {
    const std::string path = line.command.substr(0, line.command.find_first_of(" \t"));
    return path.substr(path.find_last_of('/') + 1);
}

// ipfail and dopd are parts of this daemon.
bool Clients::is_built_in(const config::HaRespawn& line) const {
    const std::string program = program_of(line);
    return program == "ipfail" || program == "dopd";
}

void Clients::on_communication_up() {
    const auto& lines = core_.settings.ha_cf.respawn;
    clients_.resize(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (!is_built_in(lines[i])) {
            start(i);
        } else if (program_of(lines[i]) == "dopd") {
            announce("dopd", true);
        }
    }
}

void Clients::start(std::size_t index) {
    clients_[index].running = true;
    clients_[index].started = core_.now;
    core_.emit(StartClient{index});
}

void Clients::on_exited(const ClientExited& exited) {
    if (exited.respawn >= clients_.size() || !clients_[exited.respawn].running) {
        return;
    }
    Client& client = clients_[exited.respawn];
    client.running = false;
    if (core_.shutdown.running()) {
        return;
    }
    const config::HaRespawn& line = core_.settings.ha_cf.respawn[exited.respawn];
    core_.journal.warning("Client " + line.command + " ended with " + std::to_string(exited.code));
    if (line.failfast && exited.code != 0) {
        core_.reboot("failfast program " + line.command + " ended with " +
                     std::to_string(exited.code));
        return;
    }
    if (exited.code == kDoNotRespawn) {
        return;
    }
    client.quick_deaths = core_.now - client.started < kQuick ? client.quick_deaths + 1 : 0;
    if (client.quick_deaths > kMaxQuickDeaths) {
        core_.journal.error("Client " + line.command + " is respawning too fast: given up");
        return;
    }
    start(exited.respawn);
}

void Clients::announce(std::string_view client, bool joined) {
    wire::Message message("hbapi-clstat");
    message.set("st", joined ? "join" : "leave").set("from_id", client).set("to_id", client);
    message.set("info", joined ? "signon" : "signoff").set("client_gen", "0");
    core_.messenger.send(std::move(message));
}

void Clients::on_query(const Node& from, const wire::Message& message) {
    const std::string client(message.get("cn"));
    const auto& lines = core_.settings.ha_cf.respawn;
    bool online = client == "ipfail" && core_.ipfail.enabled();
    for (std::size_t i = 0; i < lines.size() && i < clients_.size(); ++i) {
        const bool alive = clients_[i].running || (client == "dopd" && is_built_in(lines[i]));
        online = online || (program_of(lines[i]) == client && alive);
    }
    wire::Message answer("respond-cstatus");
    answer.set("dest", from.name).set("result", "OK").set("cn", client);
    answer.set("to_id", message.get("from_id")).set("cs", online ? "online" : "offline");
    core_.messenger.send(std::move(answer), from.name);
}

void Clients::on_client_status(const wire::Message& message) {
    if (message.get("from_id") == "ipfail" && message.get("st") == "join") {
        core_.ipfail.on_partner_joined();
    }
}

}  // namespace hb
