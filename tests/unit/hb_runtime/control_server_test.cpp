#include "heartbeat/runtime/control_server.h"

#include "tests/unit/fake/line_client.h"
#include "tests/unit/fake/line_daemon.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hb {
namespace {

class ControlServerTest : public ::testing::Test {
protected:
    ControlServerTest()
        : server_(io_,
                  folder_.path() + "/" + control::kSocketName,
                  [this](const control::Request& request, ControlServer::Answer answer) {
                      on_request(request, std::move(answer));
                  }),
          started_(server_.start()),
          client_(folder_.path() + "/" + control::kSocketName) {}

    // A parameter is known at once, all else takes its time.
    void on_request(const control::Request& request, ControlServer::Answer answer) {
        if (request.kind == control::RequestKind::Parameter) {
            control::Reply reply;
            reply.text = request.name;
            answer(std::move(reply));
        } else {
            late_.push_back(std::move(answer));
        }
    }

    // What the client gets when it has sent this.
    std::string exchange(const std::string& text) {
        client_.send(text);
        io_.restart();
        io_.poll();
        return client_.received();
    }

    static std::string line(std::uint64_t id, int exit, const std::string& text) {
        control::Reply reply;
        reply.id = id;
        reply.exit = exit;
        reply.text = text;
        return control::to_line(reply);
    }

    fake::TempDir folder_;
    boost::asio::io_context io_;
    std::vector<ControlServer::Answer> late_;
    ControlServer server_;
    base::Result<void> started_;
    fake::LineClient client_;
};

TEST_F(ControlServerTest, AnswersInTheOrderInWhichRequestsFinish) {
    EXPECT_EQ(exchange("{\"id\":1,\"request\":\"shutdown\"}\n"
                       "{\"id\":2,\"request\":\"parameter\",\"name\":\"deadtime\"}\n"),
              line(2, 0, "deadtime"));
    late_.at(0)({});
    EXPECT_EQ(exchange(""), line(1, 0, ""));
}

TEST_F(ControlServerTest, RefusesARequestBesideManyThatWait) {
    std::string many;
    for (int i = 1; i <= 32; ++i) {
        many += "{\"id\":" + std::to_string(i) + ",\"request\":\"standby\"}\n";
    }
    EXPECT_EQ(exchange(many), "");
    const std::string one_more = "{\"id\":33,\"request\":\"status\"}\n";
    EXPECT_EQ(
        exchange(one_more),
        line(33, control::kExitRefused, "too many requests of this client wait for an answer"));
    late_.at(31)({});
    EXPECT_EQ(exchange(""), line(32, 0, ""));
    EXPECT_EQ(exchange(one_more), "");
    EXPECT_EQ(late_.size(), 33u);
}

TEST_F(ControlServerTest, EndsAClientWhoseLineIsNoRequest) {
    EXPECT_EQ(exchange("{\"id\":1,\"request\":\"explode\"}\n"),
              line(0, control::kExitBadRequest, "control message: request is unknown"));
    EXPECT_TRUE(client_.ended());
}

TEST_F(ControlServerTest, TellsEventsToThoseWhoHaveSubscribed) {
    const control::Event event{"decision", {7, "", "text", "a=b"}};
    server_.tell(event);
    EXPECT_EQ(exchange("{\"id\":4,\"request\":\"subscribe\"}\n"), line(4, 0, ""));
    server_.tell(event);
    EXPECT_EQ(exchange(""), control::event_line(4, event));
    EXPECT_EQ(exchange("{\"id\":5,\"request\":\"parameter\",\"name\":\"udp\"}\n"),
              line(5, 0, "udp"));
}

}  // namespace
}  // namespace hb
