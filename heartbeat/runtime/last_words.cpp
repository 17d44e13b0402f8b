#include "heartbeat/runtime/last_words.h"

#include "heartbeat/engine/text.h"
#include "heartbeat/runtime/boot_timer.h"
#include "heartbeat/runtime/udp_sockets.h"

#include <cstring>
#include <ctime>
#include <type_traits>
#include <variant>

namespace hb {

wire::Message LastWords::begin(const char* type) {
    wire::Message message(type);
    message.set("src", life_.node);
    message.set_binary("srcuuid", std::string_view(uuid_.data(), uuid_.size()));
    message.set("seq", to_hex(++life_.sequence));
    return message;
}

void LastWords::finish(wire::Message& message, std::int64_t wall_seconds) {
    const config::HaCf& conf = configuration_.settings.ha_cf;
    message.set("hg", to_hex(life_.generation));
    message.set("ts", to_hex(static_cast<std::uint64_t>(wall_seconds > 0 ? wall_seconds : 1)));
    message.set("ld", "0.00 0.00 0.00 1/1 1");
    message.set("ttl", std::to_string(conf.hopfudge + conf.nodes.size() + conf.pings.size()));
}

wire::Message LastWords::status(std::chrono::milliseconds pause, std::int64_t wall_seconds) {
    wire::Message message = begin("status");
    message.set("st", life_.status).set("protocol", "1");
    message.set("dt", to_hex(static_cast<std::uint64_t>(pause.count())));
    // Without it this would look like a node of the original's kind, which proves nothing.
    if (!life_.partner.node.empty()) {
        message.set("heard",
                    to_hex(life_.partner.generation) + "." + to_hex(life_.partner.sequence));
    }
    finish(message, wall_seconds);
    return message;
}

wire::Message LastWords::goodbye(std::int64_t wall_seconds) {
    wire::Message message = begin("shutdone");
    message.set("st", "dead");
    finish(message, wall_seconds);
    return message;
}

void LastWords::announce(std::chrono::milliseconds pause) {
    send(status(pause, std::time(nullptr)));
    life_.deadtime = pause;
    life_.until = boot_time() + pause;
}

void LastWords::say_goodbye() {
    // Three times: nobody is left whom the partner could ask again.
    const wire::Message message = goodbye(std::time(nullptr));
    for (int i = 0; i < 3; ++i) {
        send(message);
    }
}

// Over the networks. Sockets are opened anew each time: a receiving one that stays open would take
// packets from the next daemon.
void LastWords::send(const wire::Message& message) const {
    const bool inner = configuration_.settings.ha_cf.msgfmt == config::MsgFmt::Classic;
    const std::string bytes = wire::encode_netstring(message, configuration_.keys, inner);
    for (const config::HaMedium& medium : configuration_.settings.ha_cf.media) {
        std::visit(
            [&bytes](const auto& path) {
                using T = std::decay_t<decltype(path)>;
                if constexpr (!std::is_same_v<T, config::HaSerial>) {
                    UdpMediumConfig medium_now = path;
                    look_up_peer(medium_now);
                    auto sockets = open_udp_sender(medium_now);
                    if (sockets) {
                        (void)::sendto(sockets->sending.get(),
                                       bytes.data(),
                                       bytes.size(),
                                       MSG_NOSIGNAL,
                                       reinterpret_cast<const sockaddr*>(&sockets->destination),
                                       sockets->destination_length);
                    }
                }
            },
            medium);
    }
}

}  // namespace hb
