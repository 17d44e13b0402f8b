#include "heartbeat/agents/printable.h"

#include <algorithm>

namespace hb {

namespace {

std::string printable(std::string line) {
    constexpr std::size_t kTextLimit = 300;
    line.resize(std::min(line.size(), kTextLimit));
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
    return line;
}

}  // namespace

std::string first_printable_line(const std::string& output) {
    return printable(output.substr(0, output.find('\n')));
}

std::string last_printable_line(const std::string& output) {
    const std::size_t last = output.find_last_not_of('\n');
    const std::string whole = output.substr(0, last == std::string::npos ? 0 : last + 1);
    return printable(whole.substr(whole.rfind('\n') + 1));
}

}  // namespace hb
