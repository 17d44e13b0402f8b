// What programs print, for texts that go to people and into JSON: at most 300 bytes of printable
// ASCII, whatever they print. Pure.
#pragma once

#include <string>

namespace hb {

// The first or the last line.
std::string first_printable_line(const std::string& output);
std::string last_printable_line(const std::string& output);

}  // namespace hb
