#include "ipc/server.h"

#include "ipc/json.h"
#include "tests/unit/fake/line_client.h"
#include "tests/unit/fake/line_daemon.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace ipc {
namespace {

using namespace std::chrono_literals;
using Client = fake::LineClient;

// Answers a line with itself; "later" keeps it waiting, "wide" gets 1 MiB, "quiet" nothing.
class Echo : public Service {
public:
    void on_line(const std::shared_ptr<Session>& session, std::string_view line) override {
        lines.emplace_back(line);
        if (line == "later") {
            late.push_back(session);
        } else if (line == "subscribe") {
            session->subscribe({1, "r0"});
            session->answer("subscribed\n");
        } else if (line == "refuse") {
            session->refuse("refused\n");
        } else if (line == "wide") {
            session->answer(std::string(1u << 20, 'w') + "\n");
        } else if (line.empty()) {
            session->done();
        } else {
            session->answer(std::string(line) + "\n");
        }
    }

    std::string refusal(Refusal why) override {
        return why == Refusal::LineTooLong ? "too long\n" : "not allowed\n";
    }

    std::vector<std::string> lines;
    std::vector<std::shared_ptr<Session>> late;
};

class ServerTest : public ::testing::Test {
protected:
    ~ServerTest() override {
        service_.late.clear();
        server_.reset();
    }

    void start(std::size_t requests, std::chrono::milliseconds silence = 60s) {
        server_ = std::make_unique<Server>(io_,
                                           ServerOptions{.path = socket(),
                                                         .name = "test socket",
                                                         .clients = 2,
                                                         .requests = requests,
                                                         .silence = silence},
                                           service_);
        const auto started = server_->start();
        ASSERT_TRUE(started) << started.error().text;
    }

    std::string socket() const { return folder_.path() + "/test.sock"; }

    // All that can be done now.
    void run() {
        io_.restart();
        io_.poll();
    }

    std::string exchange(Client& client, std::string_view text) {
        client.send(text);
        run();
        return client.received();
    }

    fake::TempDir folder_;
    boost::asio::io_context io_;
    Echo service_;
    std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, MakesASocketForItsOwnUserOnlyAndRemovesIt) {
    start(1);

    struct stat info {};

    ASSERT_EQ(::stat(socket().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    server_.reset();
    EXPECT_NE(::stat(socket().c_str(), &info), 0);
}

TEST_F(ServerTest, SaysWhyThereIsNoSocket) {
    Server server(
        io_, {.path = folder_.path() + "/none/test.sock", .name = "test socket"}, service_);
    EXPECT_EQ(server.start().error().text,
              "cannot make the test socket " + folder_.path() +
                  "/none/test.sock: No such file or directory");
    Server other(io_, {.path = "/" + std::string(108, 'x'), .name = "test socket"}, service_);
    EXPECT_EQ(other.start().error().text,
              "cannot make the test socket /" + std::string(108, 'x') + ": the name is too long");
}

TEST_F(ServerTest, TakesLinesHoweverTheyArrive) {
    start(1);
    Client client(socket());
    EXPECT_EQ(exchange(client, "on"), "");
    EXPECT_EQ(exchange(client, "e\ntwo\nth"), "one\ntwo\n");
    EXPECT_EQ(exchange(client, "ree\n"), "three\n");
    EXPECT_EQ(exchange(client, std::string(16'000, '\n') + "end\n"), "end\n");
}

TEST_F(ServerTest, LeavesFurtherLinesOfAClientWhoseRequestsWait) {
    start(2);
    Client client(socket());
    EXPECT_EQ(exchange(client, "later\nlater\nthird\n"), "");
    EXPECT_EQ(service_.lines.size(), 2u);
    Client other(socket());
    EXPECT_EQ(exchange(other, "other\n"), "other\n");
    service_.late[0]->answer("late\n");
    run();
    EXPECT_EQ(client.received(), "late\nthird\n");
}

TEST_F(ServerTest, ClosesClientsBeyondTheLimitIfAllHaveSomethingToDo) {
    start(1);
    Client one(socket());
    EXPECT_EQ(exchange(one, "later\n"), "");
    Client two(socket());
    EXPECT_EQ(exchange(two, "subscribe\n"), "subscribed\n");
    Client three(socket());
    run();
    EXPECT_TRUE(three.ended());
    service_.late[0]->answer("late\n");
    run();
    EXPECT_EQ(one.received(), "late\n");
    EXPECT_EQ(exchange(two, "2\n"), "2\n");
}

TEST_F(ServerTest, AHundredIdleClientsKeepNobodyOut) {
    start(1);
    Client busy(socket());
    EXPECT_EQ(exchange(busy, "later\n"), "");
    std::vector<std::unique_ptr<Client>> idle;
    for (int i = 0; i < 100; ++i) {
        idle.push_back(std::make_unique<Client>(socket()));
        run();
    }
    Client tool(socket());
    EXPECT_EQ(exchange(tool, "tool\n"), "tool\n");
    EXPECT_TRUE(idle.back()->ended());
    service_.late[0]->answer("late\n");
    run();
    EXPECT_EQ(busy.received(), "late\n");
}

TEST_F(ServerTest, WhoHasBeenSilentForLongestMakesRoom) {
    start(1);
    Client first(socket());
    EXPECT_EQ(exchange(first, "1\n"), "1\n");
    Client second(socket());
    EXPECT_EQ(exchange(second, "2\n"), "2\n");
    EXPECT_EQ(exchange(first, "3\n"), "3\n");
    Client third(socket());
    EXPECT_EQ(exchange(third, "4\n"), "4\n");
    EXPECT_TRUE(second.ended());
    EXPECT_EQ(exchange(first, "5\n"), "5\n");
}

TEST_F(ServerTest, EndsAClientWhoseLineHasNoEnd) {
    start(1);
    Client client(socket());
    std::string received;
    const std::string piece(1u << 14, 'x');
    for (std::size_t sent = 0; sent < kMaxLineBytes; sent += piece.size()) {
        received += exchange(client, piece);
    }
    EXPECT_EQ(received, "too long\n");
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(service_.lines.empty());
}

TEST_F(ServerTest, EndsAClientThatIsRefusedAfterTellingItWhy) {
    start(1);
    Client client(socket());
    EXPECT_EQ(exchange(client, "refuse\nmore\n"), "refused\n");
    EXPECT_TRUE(client.ended());
    EXPECT_EQ(service_.lines.size(), 1u);
}

// Whoever asks and does not read would otherwise fill the daemon's memory.
TEST_F(ServerTest, EndsAClientThatAsksAndDoesNotRead) {
    start(1);
    Client client(socket());
    for (int i = 0; i < 8; ++i) {
        client.send("wide\n");
        run();
    }
    EXPECT_TRUE(client.ended());
    EXPECT_LE(service_.lines.size(), 6u);
}

TEST_F(ServerTest, TellsThoseWhoHaveSubscribed) {
    start(1);
    Client client(socket());
    Client other(socket());
    EXPECT_EQ(exchange(client, "subscribe\n"), "subscribed\n");
    exchange(other, "hello\n");
    EXPECT_TRUE(server_->subscribers("r1").empty());
    ASSERT_EQ(server_->subscribers("r0").size(), 1u);
    server_->subscribers("r0")[0]->tell("news\n");
    run();
    EXPECT_EQ(client.received(), "news\n");
    EXPECT_EQ(other.received(), "");
}

TEST_F(ServerTest, AnswersOfAClientThatHasLeftGoNowhere) {
    start(2);
    {
        Client client(socket());
        exchange(client, "later\n");
    }
    run();
    service_.late[0]->answer("late\n");
    server_->close();
    run();
}

TEST_F(ServerTest, EndsAClientThatSendsHalfALineNowAndThen) {
    start(1, 20ms);
    Client client(socket());
    const auto limit = std::chrono::steady_clock::now() + 5s;
    bool ended = false;
    while (!ended && std::chrono::steady_clock::now() < limit) {
        client.send("x");
        io_.restart();
        io_.run_for(2ms);
        ended = client.ended();
    }
    EXPECT_TRUE(ended);
}

TEST_F(ServerTest, KeepsASilentClientThatWaitsOrHasSubscribed) {
    start(1, 100ms);
    Client waiting(socket());
    Client subscriber(socket());
    waiting.send("later\n");
    EXPECT_EQ(exchange(subscriber, "subscribe\n"), "subscribed\n");
    io_.restart();
    io_.run_for(120ms);
    EXPECT_FALSE(subscriber.ended());
    service_.late[0]->answer("late\n");
    run();
    EXPECT_EQ(waiting.received(), "late\n");
    io_.restart();
    io_.run_for(120ms);
    EXPECT_TRUE(waiting.ended());
}

}  // namespace
}  // namespace ipc
