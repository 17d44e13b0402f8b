#include "heartbeat/tools/hb_status.h"

#include "heartbeat/tools/connection.h"
#include "heartbeat/tools/status_text.h"

#include <chrono>
#include <ostream>
#include <thread>
#include <unistd.h>

namespace hb::tools {

namespace {

using base::Result;
using control::Status;

constexpr int kExitNoDaemon = 1;
constexpr int kExitWrongWords = 2;

struct View {
    bool json = false;
    bool log = false;
    bool follow = false;
    bool watch = false;
    double interval_seconds = 1;
    unsigned rounds = 0;  // of --watch; 0: for ever
};

int fail(const base::Error& error, const View& view, const Streams& streams) {
    if (view.json) {
        const control::Json answer = {{"error", error.text}};
        streams.out << answer.dump(-1, ' ', false, control::Json::error_handler_t::replace) << "\n";
    } else {
        streams.err << "hb_status: " << error.text << "\n";
    }
    return kExitNoDaemon;
}

int show(Connection& connection, const View& view, const Streams& streams) {
    const Result<Status> status = fetch_status(connection);
    if (!status) {
        return fail(status.error(), view, streams);
    }
    if (view.json) {
        const int indent = view.watch ? -1 : 2;  // one line per look
        streams.out << control::to_json(*status).dump(
                           indent, ' ', false, control::Json::error_handler_t::replace)
                    << "\n";
    } else {
        streams.out << (view.log ? log_text(*status) : status_text(*status));
    }
    return 0;
}

// A daemon that goes away and comes back is what one wants to watch: each look connects anew.
int watch(const Places& places, const View& view, const Streams& streams) {
    const bool screen = !view.json && ::isatty(STDOUT_FILENO) == 1;
    int exit = 0;
    for (unsigned round = 1;; ++round) {
        Connection connection(places.run_dir);
        streams.out << (screen ? "\033[H\033[2J" : "");
        exit = show(connection, view, streams);
        streams.out << (view.json || screen ? "" : "\n") << std::flush;
        if (round == view.rounds) {
            return exit;
        }
        std::this_thread::sleep_for(std::chrono::duration<double>(view.interval_seconds));
    }
}

// What has been, then what comes. Subscribed first, so that nothing falls between.
int follow(const Places& places, const View& view, const Streams& streams) {
    Connection events(places.run_dir);
    Connection connection(places.run_dir);
    control::Request request;
    request.kind = control::RequestKind::Subscribe;
    const auto subscribed = events.call(request);
    if (!subscribed) {
        return fail(subscribed.error(), view, streams);
    }
    if (subscribed->exit != 0) {
        return fail({base::ErrorCode::State, subscribed->text}, view, streams);
    }
    if (const int exit = show(connection, view, streams); exit != 0) {
        return exit;
    }
    while (true) {
        streams.out << std::flush;
        const auto event = events.next_event();
        if (!event) {
            return fail(event.error(), view, streams);
        }
        streams.out << (view.json ? control::event_line(0, *event) : entry_text(event->entry));
    }
}

}  // namespace

int run_hb_status(const std::vector<std::string>& words, const Streams& streams) {
    CLI::App app("Show the failover cluster as this node sees it", "hb_status");
    Places places;
    View view;
    add_places(app, places);
    app.add_flag("--json", view.json, "for programs");
    auto* const watched = app.add_flag("-w,--watch", view.watch, "look again and again");
    app.add_option("--interval", view.interval_seconds, "seconds between two looks (1)")
        ->check(CLI::Range(0.1, 3600.0))
        ->needs(watched);
    app.add_option("--count", view.rounds, "number of looks (no end)")->needs(watched);
    app.add_flag("--log", view.log, "the decisions and alarms, with their reasons");
    app.add_flag("-f,--follow", view.follow, "the log, and what is added to it")->excludes(watched);
    if (const auto exit = parse(app, words, kExitWrongWords, streams)) {
        return *exit;
    }
    if (view.follow) {
        view.log = true;
        return follow(places, view, streams);
    }
    if (view.watch) {
        return watch(places, view, streams);
    }
    Connection connection(places.run_dir);
    return show(connection, view, streams);
}

}  // namespace hb::tools
