#include "drbdd/engine/rules/state_request.h"

namespace engine {

namespace {

// A field of the packed word: section 4.3.
struct Field {
    unsigned shift;
    std::uint32_t mask;
};

constexpr Field kRole{0, 3};
constexpr Field kConn{4, 31};
constexpr Field kDisk{9, 15};
constexpr Field kPeerDisk{13, 15};

template <typename State>
void put(MaskedWord& word, const Field& field, const std::optional<State>& state) {
    if (state) {
        word.mask |= field.mask << field.shift;
        word.value |= static_cast<std::uint32_t>(*state) << field.shift;
    }
}

}  // namespace

MaskedWord to_wire(const StateRequest& request) {
    MaskedWord word;
    put(word, kRole, request.role);
    put(word, kConn, request.conn);
    put(word, kDisk, request.disk);
    put(word, kPeerDisk, request.pdsk);
    return word;
}

}  // namespace engine
