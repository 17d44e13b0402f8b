#include "heartbeat/tools/connection.h"

#include <utility>

namespace hb::tools {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

ipc::DaemonWords words() {
    return {.daemon = "heartbeat",
            .socket = "control socket",
            .start = "'systemctl start heartbeat' starts it",
            .no_answer = "in time. Look into its log."};
}

}  // namespace

Connection::Connection(const std::string& run_dir)
    : client_(words(), run_dir + "/" + control::kSocketName) {
}

Result<control::Reply> Connection::call(control::Request request,
                                        std::optional<std::chrono::milliseconds> limit) {
    std::optional<ipc::SteadyTime> until;
    if (limit) {
        until = std::chrono::steady_clock::now() + *limit;
    }
    request.id = ++last_id_;
    return client_.call(control::to_line(request), request.id, until, control::parse_reply);
}

Result<control::Event> Connection::next_event() {
    const Result<std::optional<std::string>> line = client_.read_line(std::nullopt);
    if (!line) {
        return line.error();
    }
    return control::parse_event(line->value());
}

Result<control::Status> fetch_status(Connection& connection) {
    const Result<control::Reply> reply = connection.call({});
    if (!reply) {
        return reply.error();
    }
    if (reply->exit != 0) {
        return Error{ErrorCode::State, reply->text};
    }
    return control::status_from_json(reply->data);
}

}  // namespace hb::tools
