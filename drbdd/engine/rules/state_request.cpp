#include "drbdd/engine/rules/state_request.h"

namespace engine {

namespace {

// A field of the packed word: section 4.3.
struct Field {
    unsigned shift;
    std::uint32_t mask;
};

constexpr Field kRoleField{0, 3};
constexpr Field kConnField{4, 31};
constexpr Field kDiskField{9, 15};
constexpr Field kPeerDiskField{13, 15};

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
    put(word, kRoleField, request.role);
    put(word, kConnField, request.conn);
    put(word, kDiskField, request.disk);
    put(word, kPeerDiskField, request.pdsk);
    return word;
}

}  // namespace engine
