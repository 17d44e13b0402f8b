#include "drbdd/control/admin_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace control {
namespace {

using namespace std::chrono_literals;

class SilentLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view) override {}
};

// Resources that answer when the test says so, or never.
class FakeBackend : public Backend {
public:
    void execute(const Request& request, Done done) override {
        if (request.resource == "hung") {
            return;
        }
        done({request.force ? -2 : 0, request.force ? "Need access to UpToDate data" : "", {}});
    }

    void refresh(const std::string&, std::function<void()> done) override {
        if (answers_refresh) {
            done();
        }
    }

    std::atomic<bool> answers_refresh = true;
};

// A tool: a blocking socket. No answer within five seconds is an error, not a hang.
class Client {
public:
    explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        const timeval limit{5, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }

    ~Client() { ::close(fd_); }

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(const std::string& text) {
        EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }

    // Empty: the server has closed, or says nothing.
    std::string line() {
        while (input_.find('\n') == std::string::npos) {
            char piece[4096];
            const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
            if (got <= 0) {
                ended_ = got == 0;
                return {};
            }
            input_.append(piece, static_cast<std::size_t>(got));
        }
        const std::size_t end = input_.find('\n') + 1;
        const std::string line = input_.substr(0, end);
        input_.erase(0, end);
        return line;
    }

    // The server has closed the connection.
    bool ended() {
        while (!line().empty()) {
        }
        return ended_;
    }

    Reply ask(const Request& request) {
        send(to_line(request));
        return reply();
    }

    Reply reply() {
        auto parsed = parse_reply(line());
        EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text);
        return parsed ? *parsed : Reply{};
    }

    Event event() {
        auto parsed = parse_event(line());
        EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text);
        return parsed ? parsed->event : Event{};
    }

private:
    int fd_;
    std::string input_;
    bool ended_ = false;
};

ResourceStatus status_of(const std::string& name, const std::string& role) {
    ResourceStatus status;
    status.name = name;
    status.role = role;
    DeviceStatus device;
    device.disk = "UpToDate";
    status.devices.push_back(device);
    ConnectionStatus connection;
    connection.peer = "bob";
    connection.cstate = "Connected";
    connection.peer_devices.emplace_back().cstate = "Connected";
    status.connections.push_back(connection);
    return status;
}

Request request(Command command, const std::string& resource = {}) {
    Request result;
    result.id = 7;
    result.command = command;
    result.resource = resource;
    return result;
}

class AdminServerTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = std::filesystem::temp_directory_path() / "drbdd-test-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        AdminServerOptions options;
        options.run_dir = folder_;
        options.version = {"0.1.0", "alice", 42};
        options.command_deadline = 50ms;
        options.refresh_deadline = 20ms;
        options.silence_deadline = silence_;
        options.clients = 8;
        server_ = std::make_unique<AdminServer>(options, backend_, log_);
        const auto started = server_->start();
        ASSERT_TRUE(started) << started.error().text;
    }

    void TearDown() override {
        server_.reset();
        std::filesystem::remove_all(folder_);
    }

    std::string socket() const { return folder_ + "/drbdd.sock"; }

    std::chrono::milliseconds silence_ = 60s;
    std::string folder_;
    SilentLog log_;
    FakeBackend backend_;
    std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, MakesASocketForItsOwnUserOnly) {
    struct stat info {};

    ASSERT_EQ(::stat(socket().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(AdminServerTest, TellsItsVersion) {
    Client client(socket());
    const Reply reply = client.ask(request(Command::Version));
    EXPECT_EQ(reply.id, 7u);
    EXPECT_EQ(reply.code, 0);
    const auto version = version_from_json(reply.data);
    ASSERT_TRUE(version);
    EXPECT_EQ(version->node, "alice");
}

TEST_F(AdminServerTest, PassesCommandsOnAndAnswersWithTheirOutcome) {
    Client client(socket());
    EXPECT_EQ(client.ask(request(Command::Primary, "r0")).code, 0);
    Request forced = request(Command::Primary, "r0");
    forced.force = true;
    const Reply reply = client.ask(forced);
    EXPECT_EQ(reply.code, -2);
    EXPECT_EQ(reply.text, "Need access to UpToDate data");
}

TEST_F(AdminServerTest, AnswersForAResourceThatHangs) {
    Client client(socket());
    const Reply reply = client.ask(request(Command::Secondary, "hung"));
    EXPECT_EQ(reply.code, -18);
    EXPECT_NE(reply.text.find("resource hung has not answered 'secondary'"), std::string::npos)
        << reply.text;
    EXPECT_EQ(client.ask(request(Command::Version)).code, 0);  // the session goes on
}

TEST_F(AdminServerTest, ShowsWhatIsKnownWhenAResourceDoesNotAnswer) {
    server_->update("r0", status_of("r0", "Primary"));
    backend_.answers_refresh = false;
    Client client(socket());
    const Reply reply = client.ask(request(Command::Status));
    EXPECT_EQ(reply.code, 0);
    EXPECT_EQ(reply.text.find("resource r0 does not answer: this is what it told "), 0u)
        << reply.text;
    EXPECT_EQ(reply.text.substr(reply.text.size() - 6), " s ago");
    const auto snapshot = snapshot_from_json(reply.data);
    ASSERT_TRUE(snapshot);
    ASSERT_EQ(snapshot->resources.size(), 1u);
    EXPECT_EQ(snapshot->resources[0].role, "Primary");
}

TEST_F(AdminServerTest, RefusesTheStatusOfAnUnknownResource) {
    Client client(socket());
    EXPECT_EQ(client.ask(request(Command::Status, "nobody")).code, err::kResourceNotKnown);
}

TEST_F(AdminServerTest, StreamsWhatExistsAndThenWhatChanges) {
    server_->update("r0", status_of("r0", "Secondary"));
    Client client(socket());
    EXPECT_EQ(client.ask(request(Command::Events2)).code, 0);
    Event event = client.event();
    EXPECT_EQ(event.action, "exists");
    EXPECT_EQ(event.object, "resource");
    while (event.object != "-") {
        event = client.event();
        ASSERT_EQ(event.action, "exists");
    }
    server_->update("r0", status_of("r0", "Primary"));
    event = client.event();
    EXPECT_EQ(event.action, "change");
    EXPECT_EQ(event.object, "resource");
    server_->update("r0", std::nullopt);
    while (event.action != "destroy" || event.object != "resource") {
        event = client.event();
        ASSERT_FALSE(event.action.empty());
    }
}

TEST_F(AdminServerTest, StreamsOnlyTheResourceAskedFor) {
    server_->update("r0", status_of("r0", "Secondary"));
    server_->update("r1", status_of("r1", "Secondary"));
    Client client(socket());
    EXPECT_EQ(client.ask(request(Command::Events2, "r1")).code, 0);
    while (client.event().object != "-") {
    }
    server_->update("r0", status_of("r0", "Primary"));
    server_->update("r1", status_of("r1", "Primary"));
    const Event event = client.event();
    ASSERT_FALSE(event.keys.empty());
    EXPECT_EQ(event.keys[0].second, "r1");
}

TEST_F(AdminServerTest, EndsTheStreamAfterTheFirstPartWhenAskedTo) {
    Client client(socket());
    Request now = request(Command::Events2);
    now.now = true;
    EXPECT_EQ(client.ask(now).code, 0);
    EXPECT_EQ(client.event().object, "-");
    EXPECT_TRUE(client.ended());
}

TEST_F(AdminServerTest, RefusesLinesThatAreNoRequests) {
    Client client(socket());
    client.send("{\"id\": 9, \"command\": \"explode\"}\n");
    Reply reply = client.reply();
    EXPECT_EQ(reply.id, 9u);
    EXPECT_EQ(reply.code, err::kInvalidRequest);
    client.send(std::string("\0\xff\n", 3));
    EXPECT_EQ(client.reply().code, err::kInvalidRequest);
    EXPECT_EQ(client.ask(request(Command::Version)).code, 0);
}

TEST_F(AdminServerTest, EndsAClientWhoseLineHasNoEnd) {
    Client client(socket());
    const std::string piece(1u << 16, 'x');
    for (int count = 0; count < 16; ++count) {
        client.send(piece);
    }
    EXPECT_NE(client.reply().code, 0);
    EXPECT_TRUE(client.ended());
}

TEST_F(AdminServerTest, ServesManyClientsAndOneMoreInPlaceOfTheIdlest) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int count = 0; count < 8; ++count) {
        clients.push_back(std::make_unique<Client>(socket()));
        EXPECT_EQ(clients.back()->ask(request(Command::Version)).code, 0);
    }
    Client beyond(socket());
    EXPECT_EQ(beyond.ask(request(Command::Version)).code, 0);
    EXPECT_TRUE(clients.front()->ended());
    EXPECT_EQ(clients.back()->ask(request(Command::Version)).code, 0);
}

TEST_F(AdminServerTest, DropsAnEventClientThatDoesNotRead) {
    Client slow(socket());
    EXPECT_EQ(slow.ask(request(Command::Events2)).code, 0);
    const std::string name(1u << 16, 'x');
    for (int count = 0; count < 100; ++count) {
        server_->update(name, status_of(name, count % 2 == 0 ? "Primary" : "Secondary"));
    }
    std::promise<void> done;
    server_->post([&done] { done.set_value(); });
    done.get_future().wait();
    EXPECT_TRUE(slow.ended());
}

class AdminServerWithShortPatience : public AdminServerTest {
protected:
    AdminServerWithShortPatience() { silence_ = 20ms; }
};

TEST_F(AdminServerWithShortPatience, EndsAClientThatSaysNothing) {
    Client client(socket());
    client.send("{\"id\": ");
    EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace control
