#include "cli/drbdsetup/events.h"

#include "cli/common/environment.h"
#include "cli/common/outcome.h"
#include "cli/common/status_text.h"
#include "cli/drbdsetup/lookup.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <utility>

namespace drbdsetup {

namespace {

using base::Result;
using control::Event;

// "2026-11-20T15:41:35.917612+00:00 "
std::string timestamp() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm local{};
    ::localtime_r(&now.tv_sec, &local);
    char date[64];
    char zone[16];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
    std::strftime(zone, sizeof zone, "%z", &local);
    char text[128];
    std::snprintf(text,
                  sizeof text,
                  "%s.%06ld%.3s:%s ",
                  date,
                  now.tv_nsec / 1000,
                  zone,
                  zone + std::min<std::size_t>(3, std::string_view(zone).size()));
    return text;
}

// Prints for two: what happens, and who asks for the counters.
class Printer {
public:
    explicit Printer(const Arguments& arguments) : arguments_(arguments) {}

    // False: nobody reads us any more.
    bool print(const Event& event, bool statistics) {
        const std::lock_guard lock(mutex_);
        const Event shown = memory_.remembered(event, arguments_.full, arguments_.diff);
        const std::string text = cli::event_text(shown, statistics);
        if (text.empty()) {
            return true;
        }
        const std::string line = (arguments_.timestamps ? timestamp() : "") + text;
        return std::printf("%s\n", line.c_str()) >= 0 && std::fflush(stdout) == 0;
    }

    bool print(const Event& event) { return print(event, arguments_.statistics); }

private:
    const Arguments& arguments_;
    std::mutex mutex_;  // guards the memory, and lines from each other
    EventMemory memory_;
};

// A line "n" on standard input asks for the counters of all objects as they are now; its end ends
// the program, whoever started it is gone.
void answer_questions(Printer& printer, const std::string& run_dir, const std::string& resource) {
    cli::Client client(run_dir);
    for (std::string line; std::getline(std::cin, line);) {
        const Result<control::Snapshot> snapshot = cli::fetch_status(client, resource);
        if (line != "n" || !snapshot) {
            continue;
        }
        for (Event& event : control::existing_events(*snapshot, resource)) {
            event.action = "change";
            if (event.object != "-" && !printer.print(event, true)) {
                break;
            }
        }
    }
    std::_Exit(0);
}

void set(Event::Fields& fields, const std::pair<std::string, std::string>& field) {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& other) {
        return other.first == field.first;
    });
    if (found == fields.end()) {
        fields.push_back(field);
    } else {
        found->second = field.second;
    }
}

std::string old_value(const Event::Fields& fields, const std::string& key) {
    const auto found = std::find_if(
        fields.begin(), fields.end(), [&](const auto& other) { return other.first == key; });
    return found == fields.end() ? "" : found->second;
}

// `known` becomes what the event says; returned is what to print of it.
Event::Fields merged(Event::Fields& known, const Event::Fields& news, bool full, bool diff) {
    const Event::Fields before = known;
    for (const auto& field : news) {
        set(known, field);
    }
    Event::Fields shown = full ? known : news;
    for (auto& [key, value] : shown) {
        const std::string old = old_value(before, key);
        value = diff && !old.empty() && old != value ? old + "->" + value : value;
    }
    return shown;
}

}  // namespace

Event EventMemory::remembered(const Event& event, bool full, bool diff) {
    std::string name = event.object;
    for (const auto& [key, value] : event.keys) {
        name += " " + key + ":" + value;
    }
    if (event.action == "destroy") {
        objects_.erase(name);
        return event;
    }
    if (event.object == "-" || event.object == "helper") {
        return event;
    }
    Object& object = objects_[name];
    const bool change = event.action == "change";
    Event shown = event;
    shown.state = merged(object.state, event.state, full && change, diff && change);
    shown.statistics = merged(object.statistics, event.statistics, full && change, diff && change);
    return shown;
}

int events2(const Arguments& arguments, cli::Client& client) {
    control::Request request;
    request.command = control::Command::Events2;
    request.resource = resource_operand(arguments);
    request.now = arguments.now;
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return fail_to_ask(reply.error());
    }
    if (reply->code != 0) {
        return fail(cli::exit_code(reply->code), reply->text);
    }
    Printer printer(arguments);
    while (true) {
        const Result<std::optional<Event>> event = client.next_event(std::nullopt);
        if (!event) {
            return fail_to_ask(event.error());
        }
        if (!printer.print(**event)) {
            return cli::kExitUsage;  // nobody reads us any more
        }
        if ((*event)->object != "-") {
            continue;
        }
        if (arguments.now) {
            return 0;
        }
        if (arguments.poll) {
            std::thread([&printer,
                         run_dir = cli::run_directory(arguments.run_dir),
                         resource = resource_operand(arguments)] {
                answer_questions(printer, run_dir, resource);
            }).detach();
        }
    }
}

}  // namespace drbdsetup
