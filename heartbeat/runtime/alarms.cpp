#include "heartbeat/runtime/alarms.h"

#include "heartbeat/engine/journal.h"

#include <chrono>
#include <utility>

namespace hb {

namespace {

constexpr auto kTimeLimit = std::chrono::seconds(30);
// The words come in variables: nothing of them is ever read by the shell as a program.
constexpr const char* kMailScript =
    "PATH=$PATH:/usr/sbin:/usr/lib\n"
    "printf 'To: %s\\nSubject: heartbeat on %s: %s\\n\\n%s\\n' "
    "\"$HB_ALARM_MAIL\" \"$HB_ALARM_NODE\" \"$HB_ALARM_KIND\" \"$HB_ALARM_TEXT\" "
    "| exec sendmail -i -- \"$HB_ALARM_MAIL\"";

}  // namespace

Alarms::Alarms(config::HaAlarms who, std::string node, Programs& programs, base::LogSink& log)
    : who_(std::move(who)), node_(std::move(node)), programs_(programs), log_(log) {
}

void Alarms::raise(AlarmKind kind, const std::string& text) {
    const std::string kind_name(name_of(kind));
    log_.write(base::LogLevel::Warning, "ALARM " + kind_name + ": " + text);
    Program program;
    program.label = "alarm";
    program.time_limit = kTimeLimit;
    program.variables = {
        "HB_ALARM_KIND=" + kind_name, "HB_ALARM_TEXT=" + text, "HB_ALARM_NODE=" + node_};
    for (const std::string& command : who_.commands) {
        program.argv = {command, kind_name, text};
        start(program);
    }
    for (const std::string& address : who_.mail) {
        program.argv = {"/bin/sh", "-c", kMailScript};
        program.variables.push_back("HB_ALARM_MAIL=" + address);
        start(program);
        program.variables.pop_back();
    }
}

void Alarms::start(Program program) {
    if (running_ >= kMaxRunning) {
        log_.write(base::LogLevel::Warning,
                   "alarm: " + program.argv.front() + " is not called: too many are running");
        return;
    }
    ++running_;
    const std::string who = program.argv.size() == 3 && program.argv[1] == "-c"
                                ? program.variables.back()
                                : program.argv.front();
    programs_.run(program, [this, who](const ChildResult& result) {
        --running_;
        if (result.exit != 0) {
            log_.write(base::LogLevel::Error, "alarm to " + who + " failed: " + result.text);
        }
    });
}

}  // namespace hb
