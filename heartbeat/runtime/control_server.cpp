#include "heartbeat/runtime/control_server.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace hb {

namespace {

constexpr std::size_t kMaxWaitingRequests = 32;  // of one client

std::string refusal_line(const std::string& why) {
    control::Reply reply;
    reply.exit = control::kExitBadRequest;
    reply.text = why;
    return control::to_line(reply);
}

std::string busy_line(std::uint64_t id) {
    control::Reply busy;
    busy.id = id;
    busy.exit = control::kExitRefused;
    busy.text = "too many requests of this client wait for an answer";
    return control::to_line(busy);
}

}  // namespace

ControlServer::ControlServer(boost::asio::io_context& io, std::string path, Handler handler)
    : handler_(std::move(handler)),
      server_(io,
              {.path = std::move(path),
               .name = "control socket",
               .requests = kMaxWaitingRequests + 1},  // that one is refused
              *this) {
}

void ControlServer::on_line(const std::shared_ptr<ipc::Session>& session, std::string_view line) {
    const auto request = control::parse_request(line);
    if (!request) {
        session->refuse(refusal_line(request.error().text));
        return;
    }
    if (session->waiting() > kMaxWaitingRequests) {
        session->answer(busy_line(request->id));
        return;
    }
    if (request->kind == control::RequestKind::Subscribe) {
        session->subscribe({request->id, ""});
        control::Reply subscribed;
        subscribed.id = request->id;
        session->answer(control::to_line(subscribed));
        return;
    }
    handler_(*request, [session, id = request->id](control::Reply answer) {
        answer.id = id;
        session->answer(control::to_line(answer));
    });
}

std::string ControlServer::refusal(ipc::Refusal why) {
    return refusal_line(why == ipc::Refusal::NotAllowed ? "only root may ask"
                                                        : "the line is too long");
}

void ControlServer::tell(const control::Event& event) {
    for (const auto& session : server_.subscribers("")) {
        session->tell(control::event_line(session->subscription()->request_id, event));
    }
}

}  // namespace hb
