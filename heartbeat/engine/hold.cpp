#include "heartbeat/engine/hold.h"

namespace hb {

std::string_view word_of(Hold hold) {
    switch (hold) {
        case Hold::none:
            return "none";
        case Hold::local:
            return "local";
        case Hold::foreign:
            return "foreign";
        case Hold::all:
            return "all";
    }
    return "none";
}

std::optional<Hold> hold_of(std::string_view word) {
    for (const Hold hold : {Hold::none, Hold::local, Hold::foreign, Hold::all}) {
        if (word == word_of(hold)) {
            return hold;
        }
    }
    if (word == "failback") {
        return Hold::foreign;
    }
    return std::nullopt;
}

}  // namespace hb
