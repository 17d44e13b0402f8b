#include "cli/common/client.h"

#include <cstdio>
#include <utility>

namespace cli {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

ipc::DaemonWords words() {
    return {.daemon = "drbdd",
            .socket = "admin socket",
            .start = "'drbdadm up RES' starts it",
            .no_answer =
                "within one second. Look into its log; if it hangs, end it (SIGKILL is "
                "safe: it recovers at the next 'drbdadm up')."};
}

}  // namespace

Client::Client(const std::string& run_dir, std::chrono::milliseconds answer_time)
    : client_(words(), run_dir + "/" + control::kSocketName), answer_time_(answer_time) {
}

Result<control::Reply> Client::call(control::Request request) {
    request.id = ++last_id_;
    return client_.call(control::to_line(request),
                        request.id,
                        std::chrono::steady_clock::now() + answer_time_,
                        control::parse_reply);
}

Result<std::optional<control::Event>> Client::next_event(std::optional<SteadyTime> until) {
    const Result<std::optional<std::string>> line = client_.read_line(until);
    if (!line) {
        return line.error();
    }
    if (!line->has_value()) {
        return std::optional<control::Event>();
    }
    Result<control::EventMessage> message = control::parse_event(**line);
    if (!message) {
        return message.error();
    }
    return std::optional(std::move(message->event));
}

Result<control::Snapshot> fetch_status(Client& client, const std::string& resource) {
    control::Request request;
    request.command = control::Command::Status;
    request.resource = resource;
    const Result<control::Reply> reply = client.call(std::move(request));
    if (!reply) {
        return reply.error();
    }
    if (reply->code == control::err::kResourceNotKnown) {
        return control::Snapshot{};
    }
    if (reply->code != 0) {
        return Error{ErrorCode::State, reply->text};
    }
    if (!reply->text.empty()) {
        std::fprintf(
            stderr, "WARN: %s\n", reply->text.c_str());  // old news of a resource that hangs
    }
    return control::snapshot_from_json(reply->data);
}

}  // namespace cli
