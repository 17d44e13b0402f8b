// Sizes that more than one test of this room speaks of.
#pragma once

#include <cstddef>

namespace runtime {

inline constexpr std::size_t kMebibyte = std::size_t{1} << 20;

}  // namespace runtime
