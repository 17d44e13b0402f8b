#include "nbd-backend/handshake.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using Octets = std::vector<std::uint8_t>;

class FakeHost : public nbd::ExportHost {
public:
    nbd::Export describe() override { return volume; }

    base::Result<void> probe() override { return answer(); }

    base::Result<void> open() override {
        ++opens;
        return answer();
    }

    nbd::Export volume{.name = "drbd7", .description = "seven", .size_bytes = 1 << 20};
    std::string refusal;
    int opens = 0;

private:
    base::Result<void> answer() const {
        if (refusal.empty()) {
            return {};
        }
        return base::Error{base::ErrorCode::State, refusal};
    }
};

void add16(Octets& to, unsigned value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}

void add32(Octets& to, std::uint64_t value) {
    add16(to, static_cast<unsigned>(value >> 16 & 0xffff));
    add16(to, static_cast<unsigned>(value & 0xffff));
}

void add_string(Octets& to, std::string_view text) {
    add32(to, text.size());
    to.insert(to.end(), text.begin(), text.end());
}

Octets client_flags(std::uint32_t flags) {
    Octets out;
    add32(out, flags);
    return out;
}

Octets option(std::uint32_t number, const Octets& data = {}) {
    Octets out(8);
    base::put_be64(out, 0, 0x49484156454f5054);
    add32(out, number);
    add32(out, data.size());
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

Octets info_data(std::string_view name, const std::vector<unsigned>& ids = {}) {
    Octets out;
    add_string(out, name);
    add16(out, static_cast<unsigned>(ids.size()));
    for (const unsigned id : ids) {
        add16(out, id);
    }
    return out;
}

Octets context_data(std::string_view name, const std::vector<std::string_view>& queries) {
    Octets out;
    add_string(out, name);
    add32(out, queries.size());
    for (const std::string_view query : queries) {
        add_string(out, query);
    }
    return out;
}

Octets text(std::string_view words) {
    return {words.begin(), words.end()};
}

struct Answer {
    std::uint32_t option = 0;
    std::uint32_t type = 0;
    Octets data;
};

// A handshake that has its client flags; send() returns the answers to one piece of input.
class Client {
public:
    explicit Client(std::uint32_t flags = 3) : handshake(host) {
        handshake.output().clear();
        handshake.feed(client_flags(flags));
    }

    std::vector<Answer> send(const Octets& bytes) {
        EXPECT_EQ(handshake.feed(bytes), bytes.size());
        return answers();
    }

    std::vector<Answer> answers() {
        std::vector<Answer> found;
        const Octets out = std::move(handshake.output());
        handshake.output().clear();
        std::size_t at = 0;
        while (at < out.size()) {
            const base::ConstBytes rest = base::ConstBytes(out).subspan(at);
            EXPECT_EQ(base::get_be64(rest, 0), 0x0003e889045565a9u);
            const std::size_t length = base::get_be32(rest, 16);
            const base::ConstBytes data = rest.subspan(20, length);
            found.push_back({base::get_be32(rest, 8),
                             base::get_be32(rest, 12),
                             Octets(data.begin(), data.end())});
            at += 20 + length;
        }
        return found;
    }

    FakeHost host;
    nbd::Handshake handshake;
};

constexpr std::uint32_t kAck = 1;
constexpr std::uint32_t kErrUnsup = 0x80000001;
constexpr std::uint32_t kErrPolicy = 0x80000002;
constexpr std::uint32_t kErrInvalid = 0x80000003;
constexpr std::uint32_t kErrUnknown = 0x80000006;
constexpr std::uint32_t kErrTooBig = 0x80000009;
constexpr std::uint32_t kErrExtHeaderReqd = 0x8000000a;

TEST(Handshake, GreetsAsFixedNewstyle) {
    FakeHost host;
    nbd::Handshake handshake(host);
    const Octets expected{
        'N', 'B', 'D', 'M', 'A', 'G', 'I', 'C', 'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 3};
    EXPECT_EQ(handshake.output(), expected);
}

// One row: an option of a client that has sent flags 3, and the type of the last answer.
struct OptionRow {
    const char* name;
    std::uint32_t number;
    Octets data;
    std::uint32_t answer;
};

TEST(Handshake, AnswersEveryOption) {
    Octets wrong_name_length = info_data("drbd7");
    wrong_name_length[3] = 200;
    Octets name_one_too_long = info_data("drbd7");
    name_one_too_long[3] = 8;  // 7 bytes follow
    Octets huge_name_length = info_data("drbd7");
    huge_name_length[0] = 0xff;
    Octets missing_ids = info_data("drbd7");
    missing_ids.back() = 1;
    Octets trailing = info_data("drbd7");
    trailing.push_back(0);
    Octets too_many_queries = context_data("drbd7", {"base:"});
    too_many_queries[4 + 5] = 0xff;
    Octets long_query = context_data("drbd7", {"base:"});
    long_query[4 + 5 + 4] = 0xff;
    Octets trailing_query = context_data("drbd7", {"base:"});
    trailing_query.push_back(0);

    const std::vector<OptionRow> rows{
        {"list", 3, {}, kAck},
        {"list with data", 3, {1}, kErrInvalid},
        {"peek", 4, {}, kErrUnsup},
        {"starttls", 5, {}, kErrPolicy},
        {"starttls with data", 5, {1}, kErrInvalid},
        {"info", 6, info_data("drbd7"), kAck},
        {"info of the default export", 6, info_data(""), kAck},
        {"info of a stranger", 6, info_data("drbd8"), kErrUnknown},
        {"info, name with a zero byte", 6, info_data({"drbd7\0", 6}), kErrUnknown},
        {"info without data", 6, {}, kErrInvalid},
        {"info of five bytes", 6, {0, 0, 0, 0, 0}, kErrInvalid},
        {"info, name beyond the data", 6, wrong_name_length, kErrInvalid},
        {"info, name one byte beyond the data", 6, name_one_too_long, kErrInvalid},
        {"info, name of 4 GiB", 6, huge_name_length, kErrInvalid},
        {"info, ids missing", 6, missing_ids, kErrInvalid},
        {"info, byte too many", 6, trailing, kErrInvalid},
        {"go of a stranger", 7, info_data("x"), kErrUnknown},
        {"go without data", 7, {}, kErrInvalid},
        {"structured", 8, {}, kAck},
        {"structured with data", 8, {1}, kErrInvalid},
        {"list contexts", 9, context_data("drbd7", {}), kAck},
        {"list contexts of a stranger", 9, context_data("x", {}), kErrUnknown},
        {"list contexts, count beyond the data", 9, too_many_queries, kErrInvalid},
        {"list contexts, query beyond the data", 9, long_query, kErrInvalid},
        {"list contexts, byte too many", 9, trailing_query, kErrInvalid},
        {"list contexts without data", 9, {}, kErrInvalid},
        {"set contexts before structured",
         10,
         context_data("drbd7", {"base:allocation"}),
         kErrInvalid},
        {"extended headers", 11, {}, kAck},
        {"extended headers with data", 11, {1}, kErrInvalid},
        {"unknown", 0x12345678, {1, 2, 3}, kErrUnsup},
        {"zero", 0, {}, kErrUnsup},
        {"largest data", 99, Octets(64 << 10), kErrUnsup},
        {"data too long", 99, Octets((64 << 10) + 1), kErrTooBig},
        {"data of 1 MiB", 6, Octets(1 << 20), kErrTooBig},
    };
    for (const OptionRow& row : rows) {
        SCOPED_TRACE(row.name);
        Client client;
        const auto answers = client.send(option(row.number, row.data));
        ASSERT_FALSE(answers.empty());
        EXPECT_EQ(answers.back().type, row.answer);
        EXPECT_EQ(answers.back().option, row.number);
        // The stream stays in step: the next option is understood.
        EXPECT_EQ(client.send(option(3)).back().type, kAck);
        EXPECT_EQ(client.host.opens, 0);
    }
}

TEST(Handshake, DropsClientsThatBreakTheFraming) {
    struct Row {
        const char* name;
        std::uint32_t flags;
        Octets bytes;
    };

    Octets bad_magic = option(3);
    bad_magic[0] ^= 1;
    Octets giant = option(3);
    giant[12] = 0x00, giant[13] = 0x10, giant[15] = 1;  // 1 MiB + 1
    const Octets long_name = option(1, Octets(70000, 'x'));
    const std::vector<Row> rows{
        {"flag never offered", 7, {}},
        {"all flags", 0xffffffff, {}},
        {"bad magic", 3, bad_magic},
        {"more than 1 MiB", 3, giant},
        {"GO without fixed newstyle", 0, option(7, info_data(""))},
        {"EXPORT_NAME of a stranger", 3, option(1, text("x"))},
        // It has no reply, in none of the modes: the session ends.
        {"EXPORT_NAME of 70,000 bytes", 3, long_name},
        {"EXPORT_NAME of 70,000 bytes, zeroes wanted", 1, long_name},
        {"EXPORT_NAME of 70,000 bytes, no fixed newstyle", 0, long_name},
        {"EXPORT_NAME of 70,000 bytes, only its header",
         3,
         Octets(long_name.begin(), long_name.begin() + 16)},
        {"EXPORT_NAME of the largest data", 3, option(1, Octets(64 << 10, 'x'))},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        Client client(row.flags);
        client.handshake.feed(row.bytes);
        EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Closing);
        EXPECT_FALSE(client.handshake.close_reason().empty());
        EXPECT_TRUE(client.handshake.output().empty());
        EXPECT_EQ(client.host.opens, 0);
    }
}

TEST(Handshake, LimitsTheNumberOfOptions) {
    Client client;
    for (unsigned i = 0; i < nbd::Handshake::kOptionCountLimit; ++i) {
        ASSERT_EQ(client.send(option(4)).size(), 1u);
    }
    client.handshake.feed(option(4));
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Closing);
}

TEST(Handshake, AbortIsAcknowledgedAndCloses) {
    Client client;
    EXPECT_EQ(client.send(option(2, text("data is ignored"))).back().type, kAck);
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Closing);
    EXPECT_TRUE(client.handshake.close_reason().empty());
}

TEST(Handshake, AbortWithMoreDataThanIsKeptIsObeyed) {
    Client client;
    EXPECT_EQ(client.send(option(2, Octets(70000))).back().type, kAck);
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Closing);
}

TEST(Handshake, ExportNameAfterOtherOptionsEndsOnErrorToo) {
    Client client;
    client.send(option(8));
    client.send(option(10, context_data("", {"base:allocation"})));
    client.handshake.feed(option(1, Octets(70000, 'x')));
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Closing);
    EXPECT_TRUE(client.handshake.output().empty());
}

TEST(Handshake, ExportNameEntersTransmissionWithoutReplyHeader) {
    for (const std::uint32_t flags : {0u, 1u, 2u, 3u}) {
        Client client(flags);
        const Octets bytes = option(1, text("drbd7"));
        EXPECT_EQ(client.handshake.feed(bytes), bytes.size());
        EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Transmission);
        EXPECT_EQ(client.host.opens, 1);
        const Octets& out = client.handshake.output();
        ASSERT_EQ(out.size(), (flags & 2) != 0 ? 10u : 134u);
        EXPECT_EQ(base::get_be64(out, 0), 1u << 20);
        EXPECT_EQ(base::get_be16(out, 8), 0xd6d);  // nbdkit's flags, FAST_ZERO besides
    }
}

TEST(Handshake, GoSendsExportAndWhatWasAskedForThenAck) {
    Client client;
    client.send(option(8));
    const auto answers = client.send(option(7, info_data("", {3, 1, 2, 77})));
    ASSERT_EQ(answers.size(), 5u);
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Transmission);
    EXPECT_EQ(client.host.opens, 1);

    const Octets expected_export{0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0x0d, 0xed};
    EXPECT_EQ(answers[0].data, expected_export);  // DF, since structured
    EXPECT_EQ(answers[1].data, text(std::string_view("\0\1drbd7", 7)));
    EXPECT_EQ(answers[2].data, text(std::string_view("\0\2seven", 7)));
    const Octets sizes{0, 3, 0, 0, 2, 0, 0, 0, 0x10, 0, 2, 0, 0, 0};
    EXPECT_EQ(answers[3].data, sizes);
    EXPECT_EQ(answers[4].type, kAck);
}

TEST(Handshake, InfoSaysTheSameAsGo) {
    Client client;
    const auto info = client.send(option(6, info_data("drbd7", {3})));
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Negotiating);
    EXPECT_EQ(client.host.opens, 0);
    const auto go = client.send(option(7, info_data("drbd7", {3})));
    ASSERT_EQ(info.size(), go.size());
    for (std::size_t i = 0; i < go.size(); ++i) {
        EXPECT_EQ(info[i].type, go[i].type);
        EXPECT_EQ(info[i].data, go[i].data);
    }
}

TEST(Handshake, SecondaryRefusesInWordsAndCanBeAskedAgain) {
    Client client;
    client.host.refusal = "resource r0 is Secondary";
    for (const std::uint32_t number : {6u, 7u}) {
        const auto answers = client.send(option(number, info_data("")));
        ASSERT_EQ(answers.size(), 1u);
        EXPECT_EQ(answers[0].type, kErrPolicy);
        EXPECT_EQ(answers[0].data, text(client.host.refusal));
    }
    EXPECT_EQ(client.send(option(3)).size(), 1u);  // LIST: ACK only
    client.host.refusal.clear();
    EXPECT_EQ(client.send(option(3)).size(), 2u);
    EXPECT_EQ(client.send(option(7, info_data(""))).back().type, kAck);
}

TEST(Handshake, ListNamesTheExport) {
    Client client;
    const auto answers = client.send(option(3));
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].type, 2u);
    EXPECT_EQ(answers[0].data, text(std::string_view("\0\0\0\5drbd7seven", 14)));
}

TEST(Handshake, ContextsFollowTheQueries) {
    struct Row {
        std::uint32_t number;
        std::vector<std::string_view> queries;
        bool offered;
    };

    const std::vector<Row> rows{
        {9, {}, true},
        {9, {"base:"}, true},
        {9, {"base:allocation"}, true},
        {9, {"base:x", "qemu:dirty-bitmap"}, false},
        {9, {""}, false},
        {10, {}, false},
        {10, {"base:"}, false},
        {10, {"x-other:thing", "base:allocation", "base:allocation"}, true},
    };
    for (const Row& row : rows) {
        Client client;
        client.send(option(8));
        const auto answers = client.send(option(row.number, context_data("", row.queries)));
        ASSERT_EQ(answers.size(), row.offered ? 2u : 1u);
        EXPECT_EQ(answers.back().type, kAck);
        EXPECT_EQ(client.handshake.session().base_allocation, row.offered && row.number == 10);
        if (row.offered) {
            Octets expected(4);
            expected[3] = row.number == 10 ? 1 : 0;
            const Octets name = text("base:allocation");
            expected.insert(expected.end(), name.begin(), name.end());
            EXPECT_EQ(answers[0].data, expected);
        }
    }
}

TEST(Handshake, ExtendedHeadersStandInForStructuredReplies) {
    Client client;
    EXPECT_EQ(client.send(option(11)).back().type, kAck);
    EXPECT_TRUE(client.handshake.session().extended_headers);
    EXPECT_EQ(client.send(option(11)).back().type, kErrInvalid);
    EXPECT_EQ(client.send(option(8)).back().type, kErrExtHeaderReqd);
    EXPECT_EQ(client.send(option(10, context_data("", {"base:allocation"}))).size(), 2u);
    client.send(option(7, info_data("")));
    EXPECT_EQ(client.handshake.phase(), nbd::Handshake::Phase::Transmission);
    EXPECT_TRUE(client.handshake.session().structured_replies);
    EXPECT_EQ(nbd::transmission_flags(client.handshake.session()), 0xded);  // DF as well

    Client later;
    later.send(option(8));
    EXPECT_EQ(later.send(option(11)).back().type, kAck);
    EXPECT_TRUE(later.handshake.session().extended_headers);
}

// Each row: the answers before the final one, and what is agreed on afterwards.
TEST(Handshake, OffersWhatIsOutOfSyncWhereThereIsABitmap) {
    struct Row {
        std::uint32_t number;
        std::vector<std::string_view> queries;
        std::size_t with_bitmap;
        std::size_t without;
    };

    const std::vector<Row> rows{
        {9, {}, 2, 1},
        {9, {"x-drbd:"}, 1, 0},
        {9, {"base:", "x-drbd:out-of-sync"}, 2, 1},
        {9, {"x-drbd:out-of-sync", "x-drbd:", "x-drbd:out-of-sync"}, 1, 0},
        {9, {"x-drbd"}, 0, 0},
        {10, {}, 0, 0},
        {10, {"x-drbd:"}, 0, 0},
        {10, {"x-drbd:out-of-sync"}, 1, 0},
        {10, {"x-drbd:out-of-sync", "base:allocation"}, 2, 1},
    };
    for (const Row& row : rows) {
        for (const bool bitmap : {false, true}) {
            Client client;
            client.host.volume.has_bitmap = bitmap;
            client.send(option(8));
            const auto answers = client.send(option(row.number, context_data("", row.queries)));
            const std::size_t expected = bitmap ? row.with_bitmap : row.without;
            EXPECT_EQ(answers.size(), expected + 1);
            EXPECT_EQ(answers.back().type, kAck);
            const nbd::Session& agreed = client.handshake.session();
            EXPECT_EQ(unsigned{agreed.out_of_sync} + unsigned{agreed.base_allocation},
                      row.number == 10 ? expected : 0);
        }
    }
}

TEST(Handshake, FailedSetForgetsTheFormerContexts) {
    Client client;
    client.host.volume.has_bitmap = true;
    client.send(option(8));
    client.send(option(10, context_data("", {"base:allocation", "x-drbd:out-of-sync"})));
    ASSERT_TRUE(client.handshake.session().base_allocation);
    ASSERT_TRUE(client.handshake.session().out_of_sync);
    EXPECT_EQ(client.send(option(10, context_data("x", {"base:allocation"}))).back().type,
              kErrUnknown);
    EXPECT_FALSE(client.handshake.session().base_allocation);
    EXPECT_FALSE(client.handshake.session().out_of_sync);
}

TEST(Handshake, GivesTheSameAnswersByteByByte) {
    Octets stream = client_flags(3);
    for (const Octets& piece : {option(8),
                                option(11),
                                option(10, context_data("", {"base:allocation"})),
                                option(99, Octets(70000)),
                                option(3),
                                option(7, info_data("drbd7", {0, 1, 2, 3}))}) {
        stream.insert(stream.end(), piece.begin(), piece.end());
    }
    FakeHost host;
    nbd::Handshake at_once(host);
    nbd::Handshake in_bytes(host);
    EXPECT_EQ(at_once.feed(stream), stream.size());
    for (const std::uint8_t byte : stream) {
        ASSERT_EQ(in_bytes.feed({&byte, 1}), 1u);
    }
    EXPECT_EQ(at_once.output(), in_bytes.output());
    EXPECT_EQ(in_bytes.phase(), nbd::Handshake::Phase::Transmission);
}

TEST(Handshake, LeavesTheBytesBehindGoToTheCaller) {
    Client client;
    Octets bytes = option(7, info_data(""));
    const std::size_t end = bytes.size();
    bytes.insert(bytes.end(), {0x25, 0x60, 0x95, 0x13});
    EXPECT_EQ(client.handshake.feed(bytes), end);
}

TEST(Export, BlockSizesAreWithinTheProtocol) {
    io::BlockDeviceInfo device;
    device.block_bytes = 4096;
    device.preferred_bytes = 512;
    EXPECT_EQ(nbd::describe(device, false).preferred_bytes, 4096u);
    device.preferred_bytes = 3 << 20;
    EXPECT_EQ(nbd::describe(device, false).preferred_bytes, 4096u);
    device.preferred_bytes = 1 << 20;
    EXPECT_EQ(nbd::describe(device, false).preferred_bytes, 65536u);
}

TEST(Export, FlagsFollowTheDevice) {
    io::BlockDeviceInfo device;
    device.rotational = true;
    device.can_discard = false;
    nbd::Session session;
    session.volume = nbd::describe(device, true);
    EXPECT_EQ(nbd::transmission_flags(session), (0xd6d | 1 << 4 | 1 << 1) & ~(1 << 5));
}

}  // namespace
