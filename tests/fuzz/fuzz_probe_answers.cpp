// What the children of probes and agents print, and how they end; and the superblock of a file
// system that a Filesystem agent looks at before it mounts.
#include "base/require.h"
#include "heartbeat/agents/filesystem/ext_state.h"
#include "heartbeat/agents/printable.h"
#include "heartbeat/agents/probe_answers.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace {

bool printable(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// Bytes 0 and 1: how it ended; then what it printed, and behind a zero what it complained.
hb::ChildResult result_in(std::span<const std::uint8_t> bytes) {
    hb::ChildResult result;
    result.exit = static_cast<std::int8_t>(bytes[0]);
    result.timed_out = (bytes[1] & 1) != 0;
    result.killed = (bytes[1] & 2) != 0;
    result.missing = (bytes[1] & 4) != 0;
    const auto output = bytes.subspan(2);
    const auto middle = std::find(output.begin(), output.end(), 0);
    result.output.assign(output.begin(), middle);
    result.text = hb::last_printable_line({middle, output.end()});
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::uint8_t> bytes(data, size);
    (void)hb::check_need_of_ext(bytes);
    if (size < 2) {
        return 0;
    }
    const hb::ChildResult result = result_in(bytes);
    const bool by_itself = !result.timed_out && !result.killed && !result.missing;
    for (const auto meaning : {hb::answer_of_query, hb::answer_of_write}) {
        const hb::ProbeAnswer answer = meaning("probe", result);
        REQUIRE(printable(answer.text) && answer.text.size() < 700);
        REQUIRE(!answer.ok || by_itself);
        REQUIRE(!answer.refused || answer.ok);
    }
    for (const auto kind :
         {hb::AgentKind::Legacy, hb::AgentKind::Lsb, hb::AgentKind::Systemd, hb::AgentKind::Ocf}) {
        const hb::Verdict verdict = hb::verdict_of(kind, result);
        REQUIRE(by_itself || verdict == hb::Verdict::Unknown);
        const hb::ProbeAnswer answer = hb::answer_of_agent("agent", verdict, result);
        REQUIRE(answer.ok == (verdict == hb::Verdict::Running) && printable(answer.text));
    }
    return 0;
}
