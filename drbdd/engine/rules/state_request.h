// A change for which one node asks the other's consent: the fields of its state that it means to
// change, and to what. Wire specification, section 4.6.
#pragma once

#include "drbdd/engine/rules/state.h"

#include <cstdint>
#include <optional>

namespace engine {

struct StateRequest {
    std::optional<Role> role{};
    std::optional<ConnState> conn{};
    std::optional<DiskState> disk{};
    std::optional<DiskState> pdsk{};
};

// On the wire: which bits of the packed word, and their values.
struct MaskedWord {
    std::uint32_t mask = 0;
    std::uint32_t value = 0;
};

MaskedWord to_wire(const StateRequest& request);

}  // namespace engine
