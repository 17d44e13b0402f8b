#include "drbdd/control/messages.h"

#include <gtest/gtest.h>

namespace {

using control::Json;
using control::Request;

config::ResourceSettings sample_settings() {
    config::ResourceSettings settings;
    settings.name = "r0";
    settings.config_file = "/etc/drbd.conf";
    settings.node = "alpha";
    settings.peer = "beta";
    settings.address = {config::AddressFamily::Ipv4, "10.9.9.1", 7788};
    settings.peer_address = {config::AddressFamily::Ipv6, "fd00::2", 7789};
    settings.net.protocol = config::Protocol::A;
    settings.net.timeout = config::Deciseconds(50);
    settings.net.after_sb_0pri = config::AfterSb0Pri::DiscardRemote;
    settings.net.shared_secret = "with \"quotes\" and \xc3\xa4";
    settings.net.tcp_cork = false;
    settings.startup.wfc_timeout = config::Seconds(30);
    config::VolumeSettings volume;
    volume.number = 3;
    volume.minor = 17;
    volume.device = "/dev/drbd17";
    volume.disk = "/dev/vg0/x";
    volume.meta_disk = "/dev/vg0/md";
    volume.meta_index = 2;
    volume.options.on_io_error = config::OnIoError::PassOn;
    volume.options.size_sectors = std::uint64_t{1} << 41;
    settings.volumes = {volume};
    settings.handlers = {{"split-brain", "/bin/true a b"}};
    return settings;
}

std::string request_error(const std::string& line) {
    const base::Result<Request> request = control::parse_request(line);
    return request.has_value() ? "none" : request.error().text;
}

TEST(Messages, RequestIsReadAsItWasWritten) {
    Request request;
    request.id = 7;
    request.command = control::Command::Up;
    request.resource = "r0";
    request.volume = 3;
    request.force = true;
    request.settings = sample_settings();
    const std::string line = control::to_line(request);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const base::Result<Request> read = control::parse_request(line);
    ASSERT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->id, 7u);
    EXPECT_EQ(read->command, control::Command::Up);
    EXPECT_EQ(read->resource, "r0");
    EXPECT_EQ(read->volume, 3);
    EXPECT_TRUE(read->force);
    EXPECT_FALSE(read->discard_my_data);
    ASSERT_TRUE(read->settings.has_value());
    EXPECT_EQ(*read->settings, sample_settings());
}

TEST(Messages, ASettingThatIsNotSetStaysUnset) {
    config::ResourceSettings settings = sample_settings();
    const auto again = control::settings_from_json(control::to_json(settings));
    ASSERT_TRUE(again.has_value());
    EXPECT_FALSE(again->volumes[0].options.c_max_rate_kib.has_value());
    settings.volumes[0].options.c_max_rate_kib = 4096;
    EXPECT_EQ(
        control::settings_from_json(control::to_json(settings))->volumes[0].options.c_max_rate_kib,
        4096u);
}

TEST(Messages, EveryCommandHasItsName) {
    for (int i = 0; i <= static_cast<int>(control::Command::Quit); ++i) {
        Request request;
        request.command = static_cast<control::Command>(i);
        const auto read = control::parse_request(control::to_line(request));
        ASSERT_TRUE(read.has_value()) << i;
        EXPECT_EQ(read->command, request.command);
    }
    EXPECT_EQ(control::to_string(control::Command::Quit), "quit");
}

TEST(Messages, BadRequestsAreRefusedWithTheReason) {
    EXPECT_EQ(request_error(""), "a line is not a JSON object");
    EXPECT_EQ(request_error("[]"), "a line is not a JSON object");
    EXPECT_EQ(request_error("{\"id\":1"), "a line is not a JSON object");
    EXPECT_EQ(request_error("{\"id\":\"x\",\"command\":\"up\"}"),
              "id is not a number in its range");
    EXPECT_EQ(request_error("{\"id\":-1,\"command\":\"up\"}"), "id is not a number in its range");
    EXPECT_EQ(request_error("{\"id\":1}"), "command '' is unknown");
    EXPECT_EQ(request_error("{\"command\":\"fly\"}"), "command 'fly' is unknown");
    EXPECT_EQ(request_error("{\"command\":\"up\",\"volume\":65536}"),
              "volume is not a number in its range");
    EXPECT_EQ(request_error("{\"command\":\"up\",\"options\":[]}"), "options is not an object");
    EXPECT_EQ(request_error("{\"command\":\"up\",\"options\":{\"force\":1}}"),
              "force is not true or false");
    EXPECT_EQ(request_error("{\"command\":\"up\",\"options\":{\"forse\":true}}"),
              "option 'forse' is unknown");
    EXPECT_EQ(request_error("{\"command\":\"up\",\"verbose\":1}"), "verbose is unknown");
    std::string nest;
    for (int depth = 0; depth < 100'000; ++depth) {
        nest += "{\"a\":";
    }
    nest += "1" + std::string(100'000, '}');
    EXPECT_EQ(request_error("{\"command\":\"up\",\"options\":" + nest + "}"),
              "a line is not a JSON object");
    EXPECT_EQ(request_error(std::string(ipc::kMaxLineBytes + 1, ' ')),
              "a line has more than 1 MiB");
}

TEST(Messages, BadSettingsAreRefusedWithTheReason) {
    const auto error = [](auto&& spoil) {
        Json json = control::to_json(sample_settings());
        spoil(json);
        const auto settings = control::settings_from_json(json);
        return settings.has_value() ? "none" : settings.error().text;
    };
    EXPECT_EQ(error([](Json&) {}), "none");
    EXPECT_EQ(error([](Json& j) { j["net"]["checksums"] = "md5"; }),
              "settings.net.checksums is unknown");
    EXPECT_EQ(error([](Json& j) { j["net"]["protocol"] = "D"; }),
              "settings.net.protocol is not one of the words allowed");
    EXPECT_EQ(error([](Json& j) { j["net"]["timeout"] = 601; }), "timeout is out of its range");
    EXPECT_EQ(error([](Json& j) { j["net"]["timeout"] = -1; }), "timeout is out of its range");
    EXPECT_EQ(error([](Json& j) { j["address"]["port"] = 70000; }),
              "settings.address.port is not a number in its range");
    EXPECT_EQ(error([](Json& j) { j["volumes"] = Json::array(); }), "none");  // for new-resource
    EXPECT_EQ(error([](Json& j) { j["volumes"].push_back(j["volumes"][0]); }),
              "settings.volumes is not in ascending order");
    EXPECT_EQ(error([](Json& j) { j["name"] = ""; }), "settings.name is missing");
    EXPECT_EQ(error([](Json& j) { j["handlers"]["split-brain"] = 1; }),
              "settings.handlers.split-brain is not a string");
    EXPECT_EQ(error([](Json& j) { j = 3; }), "settings is not an object");
}

TEST(Messages, ReplyIsReadAsItWasWritten) {
    control::Reply reply;
    reply.id = 9;
    reply.code = -2;
    reply.text = "Need access to UpToDate data\nline \xff two";  // not UTF-8: replaced, not thrown
    reply.data = control::to_json(std::vector<control::Failure>{{"5", 119, "none"}});
    const auto read = control::parse_reply(control::to_line(reply));
    ASSERT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->id, 9u);
    EXPECT_EQ(read->code, -2);
    EXPECT_TRUE(read->text.starts_with("Need access to UpToDate data\nline "));
    const auto failures = control::failures_from_json(read->data);
    ASSERT_TRUE(failures.has_value());
    ASSERT_EQ(failures->size(), 1u);
    EXPECT_EQ(failures->at(0).object, "5");
    EXPECT_FALSE(control::parse_reply("{\"id\":1}").has_value());
}

TEST(Messages, TheIdOfABadRequestCanBeAnswered) {
    EXPECT_EQ(control::id_of("{\"id\":12,\"command\":3}"), 12u);
    EXPECT_EQ(control::id_of("{\"id\":\"x\"}"), 0u);
    EXPECT_EQ(control::id_of("rubbish"), 0u);
}

TEST(Messages, FieldsOfALaterVersionDoNoHarm) {
    const auto snapshot = control::snapshot_from_json(
        Json::parse("{\"resources\":[{\"name\":\"r0\",\"later\":1,\"devices\":[{\"minor\":5}]}]}"));
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_EQ(snapshot->resources.at(0).devices.at(0).minor, 5u);
    EXPECT_EQ(snapshot->resources.at(0).role, "Secondary");
    EXPECT_FALSE(control::snapshot_from_json(Json::parse("{\"resources\":{}}")).has_value());
}

TEST(Messages, TextsAreTheOriginals) {
    EXPECT_EQ(control::error_text(-2), "Need access to UpToDate data");
    EXPECT_EQ(control::error_text(127), "Device minor not allocated");
    EXPECT_EQ(control::error_text(0), "");
    EXPECT_EQ(control::error_text(9999), "");
}

TEST(Messages, StatesOf84HaveTheirWordsOf9) {
    EXPECT_EQ(control::connection_word("StandAlone"), "StandAlone");
    EXPECT_EQ(control::connection_word("WFConnection"), "Connecting");
    EXPECT_EQ(control::connection_word("WFReportParams"), "Connected");
    EXPECT_EQ(control::connection_word("SyncTarget"), "Connected");
    EXPECT_EQ(control::replication_word("NetworkFailure"), "Off");
    EXPECT_EQ(control::replication_word("WFReportParams"), "Off");
    EXPECT_EQ(control::replication_word("Connected"), "Established");
    EXPECT_EQ(control::replication_word("PausedSyncT"), "PausedSyncT");
}

TEST(SyncProgress, CountsWhatIsDone) {
    EXPECT_DOUBLE_EQ((control::SyncProgress{1000, 250, 0, 0, 0, 0, {}, {}, {}}).percent_done(),
                     75.0);
    EXPECT_DOUBLE_EQ((control::SyncProgress{0, 0, 0, 0, 0, 0, {}, {}, {}}).percent_done(), 100.0);
    EXPECT_DOUBLE_EQ((control::SyncProgress{10, 20, 0, 0, 0, 0, {}, {}, {}}).percent_done(), 0.0);
}

}  // namespace
