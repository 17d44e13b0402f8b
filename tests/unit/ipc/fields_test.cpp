#include "ipc/fields.h"

#include <gtest/gtest.h>

namespace sample {

enum class Colour : std::uint8_t { Red, Green };

std::string_view word_of(Colour colour) {
    return colour == Colour::Green ? "green" : "red";
}

std::string_view word_problem(std::string_view text, Colour& colour) {
    colour = text == "green" ? Colour::Green : Colour::Red;
    return text == "green" || text == "red" ? "" : "is no colour";
}

struct Part {
    std::int8_t number = 3;
    bool good = false;
};

void fields(ipc::Is<Part> auto& part, auto&& visit) {
    visit("number", part.number);
    visit("good", part.good);
}

struct Whole {
    std::string name;
    Colour colour = Colour::Red;
    std::chrono::milliseconds pause{5};
    std::optional<std::uint64_t> limit;
    std::vector<Part> parts;
    std::map<std::string, std::uint64_t> counters;
    std::vector<ipc::StringPair> facts;
};

void fields(ipc::Is<Whole> auto& whole, auto&& visit) {
    visit("name", whole.name);
    visit("colour", whole.colour);
    visit("pause", whole.pause);
    visit("limit", whole.limit);
    visit("parts", whole.parts);
    visit("counters", whole.counters);
    visit("facts", whole.facts);
}

struct Strict {
    bool good = false;
};

void fields(ipc::Is<Strict> auto& strict, auto&& visit) {
    visit("good", strict.good);
}

}  // namespace sample

template <>
inline constexpr bool ipc::kRefusesUnknown<sample::Strict> = true;

namespace ipc {
namespace {

template <typename T>
base::Result<T> read(const std::string& text) {
    Reader reader("sample: ");
    T value;
    reader.read(Json::parse(text), value, "it");
    return reader.done(std::move(value));
}

template <typename T>
std::string problem(const std::string& text) {
    const auto value = read<T>(text);
    return value ? "none" : value.error().text;
}

TEST(Fields, ComeBackAsTheyWereWritten) {
    const std::string text =
        R"({"name":"n","colour":"green","pause":7,"limit":18446744073709551615,)"
        R"("parts":[{"number":-128,"good":true}],"counters":{"a":1},"facts":[["k","v"],["k","w"]]})";
    const auto whole = read<sample::Whole>(text);
    ASSERT_TRUE(whole) << whole.error().text;
    EXPECT_EQ(whole->pause, std::chrono::milliseconds(7));
    EXPECT_EQ(write(*whole).dump(), text);
}

TEST(Fields, ThatAreMissingKeepTheirDefault) {
    const auto whole = read<sample::Whole>(R"({"parts":[{}],"more":{}})");
    ASSERT_TRUE(whole) << whole.error().text;
    EXPECT_EQ(whole->pause, std::chrono::milliseconds(5));
    EXPECT_EQ(whole->parts.at(0).number, 3);
    EXPECT_FALSE(whole->limit.has_value());
    EXPECT_FALSE(write(*whole).contains("limit"));
}

TEST(Fields, ThatAreWrongAreNamedWithTheirPlace) {
    using sample::Whole;
    EXPECT_EQ(problem<Whole>("[]"), "sample: it is not an object");
    EXPECT_EQ(problem<Whole>(R"({"name":1})"), "sample: it.name is not a string");
    EXPECT_EQ(problem<Whole>(R"({"colour":"blue"})"), "sample: it.colour is no colour");
    EXPECT_EQ(problem<Whole>(R"({"pause":"x"})"), "sample: it.pause is not a number in its range");
    EXPECT_EQ(problem<Whole>(R"({"limit":-1})"), "sample: it.limit is not a number in its range");
    EXPECT_EQ(problem<Whole>(R"({"parts":{}})"), "sample: it.parts is not a list");
    EXPECT_EQ(problem<Whole>(R"({"parts":[{"number":128}]})"),
              "sample: it.parts.number is not a number in its range");
    EXPECT_EQ(problem<Whole>(R"({"parts":[{"good":1}]})"),
              "sample: it.parts.good is not true or false");
    EXPECT_EQ(problem<Whole>(R"({"counters":{"a":"b"}})"),
              "sample: it.counters.a is not a number in its range");
    EXPECT_EQ(problem<Whole>(R"({"facts":[["k"]]})"), "sample: it.facts is no list of pairs");
    EXPECT_EQ(problem<Whole>(R"({"name":1,"parts":1})"), "sample: it.name is not a string");
}

TEST(Fields, ThatAreUnknownAreRefusedWhereNothingMayGetLost) {
    EXPECT_EQ(problem<sample::Strict>(R"({"good":true})"), "none");
    EXPECT_EQ(problem<sample::Strict>(R"({"goof":true})"), "sample: it.goof is unknown");
}

}  // namespace
}  // namespace ipc
