#include "ipc/client.h"

#include "ipc/json.h"
#include "tests/unit/fake/line_daemon.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace ipc {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSocket = "test.sock";

struct Reply {
    std::uint64_t id = 0;
    std::string text;
};

// "ID TEXT"
base::Result<Reply> parse(std::string_view line) {
    const std::string all(line);
    if (all == "rubbish") {
        return base::Error{base::ErrorCode::Invalid, "rubbish"};
    }
    const std::size_t space = all.find(' ');
    return Reply{std::stoull(all.substr(0, space)), all.substr(space + 1)};
}

DaemonWords words() {
    return {.daemon = "testd",
            .socket = "test socket",
            .start = "'start testd' starts it",
            .no_answer = "in time."};
}

// One answer for each request that the tests make.
std::vector<std::string> answer(const std::string& request) {
    if (request == "2 among others") {
        return {"1 old\n", "2 mine\n3 ", "further\n"};
    }
    if (request == "3 wrongly") {
        return {"0 what?\n"};
    }
    if (request == "4 for rubbish") {
        return {"rubbish\n"};
    }
    if (request == "5 for no end") {
        return std::vector<std::string>(17, std::string(1u << 16, 'x'));
    }
    return request == "6 to hang up" ? std::vector<std::string>{""} : std::vector<std::string>{};
}

class ClientTest : public ::testing::Test {
protected:
    ClientTest() : daemon_(kSocket, answer), client_(words(), daemon_.run_dir() + "/" + kSocket) {}

    // The text of the reply, or of the error. `request` begins with its id.
    std::string ask(const std::string& request, std::chrono::milliseconds limit = 5s) {
        const auto until = std::chrono::steady_clock::now() + limit;
        const auto reply = client_.call(request + "\n", std::stoull(request), until, parse);
        return reply ? reply->text : reply.error().text;
    }

    fake::LineDaemon daemon_;
    Client client_;
};

TEST_F(ClientTest, TakesTheAnswerWithItsIdOrWithNone) {
    EXPECT_EQ(ask("2 among others"), "mine");
    EXPECT_EQ(**client_.read_line(std::nullopt), "3 further");
    EXPECT_EQ(ask("3 wrongly"), "what?");
    EXPECT_EQ(ask("4 for rubbish"), "rubbish");
}

TEST_F(ClientTest, SaysThatTheDaemonDoesNotAnswer) {
    EXPECT_EQ(ask("1 for nothing", 10ms),
              "testd does not answer on '" + client_.path() + "' in time.");
    EXPECT_EQ(ask("2 among others"), "mine");  // on a new connection
}

TEST_F(ClientTest, SaysThatTheDaemonHangsUp) {
    const auto reply = client_.call("6 to hang up\n", 6, std::nullopt, parse);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, base::ErrorCode::Io);
    EXPECT_EQ(reply.error().text, "testd closed the connection on '" + client_.path() + "'");
}

TEST_F(ClientTest, TakesNoLineWithoutAnEnd) {
    EXPECT_EQ(ask("5 for no end"), "testd sent a line of more than 1 MiB");
}

TEST(ClientWithoutDaemon, SaysWhatToDo) {
    const fake::TempDir folder;
    const std::string path = folder.path() + "/" + kSocket;
    Client client(words(), path);
    const auto reply = client.call("ask\n", 1, std::nullopt, parse);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, base::ErrorCode::NotFound);
    EXPECT_EQ(reply.error().text,
              "testd is not running here (cannot connect to '" + path +
                  "': No such file or directory). 'start testd' starts it; --run-dir or "
                  "DRBDD_RUN_DIR name another one.");
    Client other(words(), "/" + std::string(200, 'x'));
    EXPECT_EQ(other.call("ask\n", 1, std::nullopt, parse).error().code, base::ErrorCode::Io);
}

}  // namespace
}  // namespace ipc
