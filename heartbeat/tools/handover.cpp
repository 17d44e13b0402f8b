#include "heartbeat/tools/handover.h"

#include "heartbeat/tools/connection.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iomanip>
#include <ostream>
#include <string_view>

namespace hb::tools {

namespace {

constexpr int kExitFailed = 1;
constexpr std::array<std::string_view, 4> kResources = {"all", "foreign", "local", "failback"};

struct Order {
    std::string resources = "all";
    bool wait = false;
};

int carry_out(Handover what, const Order& order, const Places& places, const Streams& streams) {
    const char* const program = what == Handover::Standby ? "hb_standby" : "hb_takeover";
    control::Request request;
    request.kind =
        what == Handover::Standby ? control::RequestKind::Standby : control::RequestKind::Takeover;
    request.arg = order.resources;
    request.wait = order.wait;
    Connection connection(places.run_dir);
    const auto reply = connection.call(
        request, order.wait ? std::nullopt : std::optional<std::chrono::milliseconds>(kAnswerTime));
    if (!reply) {
        streams.err << program << ": " << reply.error().text << "\n";
        return kExitFailed;
    }
    if (reply->exit != 0) {
        streams.err << program << ": " << (reply->text.empty() ? "refused" : reply->text) << "\n";
        return reply->exit;
    }
    if (!reply->text.empty()) {
        streams.out << reply->text << "\n";
    }
    return 0;
}

// The line of the original. "failback" is another word for the groups at home on the partner.
void announce(const std::string& resources, std::ostream& out) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    out << std::put_time(&local, "%b %d %H:%M:%S") << " Going standby ["
        << (resources == "failback" ? "foreign" : resources) << "].\n";
}

}  // namespace

int run_handover(Handover what, const std::vector<std::string>& words, const Streams& streams) {
    const bool standby = what == Handover::Standby;
    const std::string program = standby ? "hb_standby" : "hb_takeover";
    CLI::App app(standby ? "Give resources of this node to its partner"
                         : "Take resources over from the partner, or confirm a takeover that waits",
                 program);
    Places places;
    Order order;
    add_places(app, places);
    app.add_flag("--wait",
                 order.wait,
                 "until the resources run where they are wanted, or it is known that they do not");
    app.add_option(
        "resources",
        order.resources,
        "all (the usual); local: those at home on this node; foreign or failback: those at "
        "home on the partner");
    if (const auto exit = parse(app, words, kExitFailed, streams)) {
        return *exit;
    }
    if (std::find(kResources.begin(), kResources.end(), order.resources) == kResources.end()) {
        streams.err << program << ": wrong resources(" << order.resources << ").\nusage:\n"
                    << program << " [all|foreign|local|failback]\n";
        return kExitFailed;
    }
    const int exit = carry_out(what, order, places, streams);
    if (exit == 0 && standby) {
        announce(order.resources, streams.out);
    }
    return exit;
}

}  // namespace hb::tools
