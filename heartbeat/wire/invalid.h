// What every decoder of this room says of a message that it cannot take.
#pragma once

#include "base/result.h"

#include <string>

namespace hb::wire {

inline base::Error invalid(const std::string& what) {
    return {base::ErrorCode::Invalid, what};
}

}  // namespace hb::wire
