#include "heartbeat/wire/message.h"

#include <algorithm>

namespace hb::wire {

Message::Message(std::string_view type) {
    set("t", type);
}

Message& Message::set(std::string_view name, std::string_view value) {
    return set_field({std::string(name), FieldType::string, std::string(value)});
}

Message& Message::set_binary(std::string_view name, std::string_view bytes) {
    return set_field({std::string(name), FieldType::binary, std::string(bytes)});
}

Message& Message::set_field(Field field) {
    const auto same = std::ranges::find(fields_, field.name, &Field::name);
    if (same != fields_.end()) {
        *same = std::move(field);
    } else {
        fields_.push_back(std::move(field));
    }
    return *this;
}

std::string_view Message::get(std::string_view name) const {
    const Field* field = find(name);
    return field != nullptr ? std::string_view(field->value) : std::string_view();
}

bool Message::has(std::string_view name) const {
    return find(name) != nullptr;
}

const Field* Message::find(std::string_view name) const {
    const auto found = std::ranges::find(fields_, name, &Field::name);
    return found != fields_.end() ? &*found : nullptr;
}

}  // namespace hb::wire
