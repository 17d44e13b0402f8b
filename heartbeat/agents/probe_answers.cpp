#include "heartbeat/agents/probe_answers.h"

#include "heartbeat/agents/printable.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace hb {

namespace {

constexpr const char* kAnswer = "1";  // of SELECT 1

// Access denied, to the database or to the server. That is the word of a server that lives: nothing
// is gained where the same accounts are, on the partner.
constexpr std::array<std::string_view, 3> kRefusals = {
    "ERROR 1044 (", "ERROR 1045 (", "ERROR 1698 ("};

// `text`: how the client ended, with what it said on standard error.
bool is_refusal(const std::string& text) {
    return std::any_of(kRefusals.begin(), kRefusals.end(), [&](std::string_view refusal) {
        return text.find(refusal) != std::string::npos;
    });
}

// By itself, and with this code.
bool exited(const ChildResult& result, int code) {
    return result.exit == code && !result.timed_out && !result.killed && !result.missing;
}

std::string why(const ChildResult& result) {
    const std::string said = first_printable_line(result.output);
    return said.empty() || result.missing ? result.text : said;
}

ProbeAnswer answer(bool ok, const std::string& what, const ChildResult& result) {
    return {ok, false, ok ? what + " succeeded" : what + " failed: " + why(result)};
}

}  // namespace

ProbeAnswer answer_of_query(const std::string& what, const ChildResult& result) {
    if (exited(result, 1) && is_refusal(result.text)) {
        return {true, true, "the server answers, but refuses the query: " + result.text};
    }
    return answer(
        exited(result, 0) && first_printable_line(result.output) == kAnswer, what, result);
}

ProbeAnswer answer_of_write(const std::string& what, const ChildResult& result) {
    return answer(exited(result, 0), what, result);
}

ProbeAnswer answer_of_agent(const std::string& word, Verdict verdict, const ChildResult& result) {
    if (verdict == Verdict::Running) {
        return {true, false, word + " is running"};
    }
    const std::string said = first_printable_line(result.output);
    return {false, false, word + " status: " + (said.empty() ? result.text : said)};
}

}  // namespace hb
