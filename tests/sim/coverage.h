// What a run has come to: rules of the identifiers, rare packets, refusals, pauses. Counted from
// what the engine says (its log, its effects), so that a search can tell what it has never tried.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sim {

class Coverage {
public:
    // Every known place, at zero.
    Coverage();

    void log_line(std::string_view line);
    void packet_sent(std::string_view command);

    // `place` is one of the known ones.
    void reached(const char* place);

    const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

private:
    std::map<std::string, std::uint64_t> counts_;
};

}  // namespace sim
