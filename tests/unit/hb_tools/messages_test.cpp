#include "heartbeat/control/messages.h"

#include "tests/unit/hb_tools/fake_daemon.h"

#include <gtest/gtest.h>

namespace {

namespace control = hb::control;

std::string without_newline(std::string line) {
    EXPECT_TRUE(line.ends_with('\n'));
    line.pop_back();
    return line;
}

TEST(ControlMessages, RequestsComeBack) {
    control::Request request;
    request.id = 7;
    request.kind = control::RequestKind::ClientStatus;
    request.node = "node-b";
    request.name = "ipfail";
    request.wait = true;
    request.limit = std::chrono::milliseconds(1500);
    const auto again = control::parse_request(without_newline(control::to_line(request)));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->id, 7u);
    EXPECT_EQ(again->kind, control::RequestKind::ClientStatus);
    EXPECT_EQ(again->node + " " + again->name, "node-b ipfail");
    EXPECT_TRUE(again->wait);
    EXPECT_EQ(again->limit, std::chrono::milliseconds(1500));
    EXPECT_EQ(control::to_line(control::Request{}), "{\"id\":0,\"request\":\"status\"}\n");
}

TEST(ControlMessages, EveryKindOfRequestHasItsWord) {
    for (int i = 0; i <= static_cast<int>(control::RequestKind::Subscribe); ++i) {
        control::Request request;
        request.kind = static_cast<control::RequestKind>(i);
        const auto again = control::parse_request(without_newline(control::to_line(request)));
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->kind, request.kind);
    }
}

TEST(ControlMessages, StatusComesBack) {
    control::Status status = sample_status();
    status.monitors = {{"mysqld", true, false, 2, "x"}};
    status.decisions = {{-5, "", "a", "b=c"}};
    status.counters = {{"replays", 18'446'744'073'709'551'615u}};
    const auto again = control::status_from_json(control::to_json(status));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(control::to_json(*again), control::to_json(status));
    EXPECT_EQ(again->find("node-b")->links.size(), 2u);
    EXPECT_EQ(again->find("node-c"), nullptr);
}

TEST(ControlMessages, RepliesAndEventsComeBack) {
    control::Reply reply;
    reply.id = 3;
    reply.exit = 13;
    reply.text = "bad \xff byte and \n newline";
    const auto again = control::parse_reply(without_newline(control::to_line(reply)));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->exit, 13);
    const control::Event event{"alarm", {4, "node_dead", "text", ""}};
    const auto seen = control::parse_event(without_newline(control::event_line(9, event)));
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(seen->kind, "alarm");
    EXPECT_EQ(seen->entry.kind, "node_dead");
    EXPECT_EQ(seen->entry.wall_seconds, 4);
}

TEST(ControlMessages, RefuseEverythingElse) {
    for (const char* line : {"",
                             "x",
                             "[]",
                             "3",
                             "null",
                             "{\"request\":\"dance\"}",
                             "{\"id\":1}",
                             "{\"id\":-1,\"request\":\"status\"}",
                             "{\"id\":1.5,\"request\":\"status\"}",
                             "{\"id\":\"1\",\"request\":\"status\"}",
                             "{\"request\":\"standby\",\"arg\":3}",
                             "{\"request\":\"standby\",\"wait\":1}",
                             "{\"request\":\"status\",\"limit\":600001}",
                             "{\"request\":\"status\"} x"}) {
        EXPECT_FALSE(control::parse_request(line).has_value()) << line;
    }
    EXPECT_FALSE(control::parse_reply("{\"id\":1}").has_value());
    EXPECT_FALSE(control::parse_reply("{\"exit\":3000000000}").has_value());
    EXPECT_FALSE(control::parse_event("{}").has_value());
    EXPECT_FALSE(control::status_from_json(control::Json::array()).has_value());
    EXPECT_FALSE(control::status_from_json({{"nodes", {{{"links", 1}}}}}).has_value());
    EXPECT_FALSE(control::status_from_json({{"counters", {{"a", -1}}}}).has_value());
}

TEST(ControlMessages, LimitLengthAndDepth) {
    const std::string word(control::kMaxWordBytes + 1, 'x');
    EXPECT_FALSE(
        control::parse_request("{\"request\":\"clear\",\"name\":\"" + word + "\"}").has_value());
    const auto big = control::parse_request(std::string(ipc::kMaxLineBytes, ' '));
    ASSERT_FALSE(big.has_value());
    EXPECT_EQ(big.error().code, base::ErrorCode::TooBig);
    EXPECT_FALSE(control::parse_request("{\"request\":\"status\",\"x\":" +
                                        std::string(100'000, '[') + std::string(100'000, ']') + "}")
                     .has_value());
}

}  // namespace
