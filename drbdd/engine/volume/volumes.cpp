#include "drbdd/engine/volume/volumes.h"

#include "base/require.h"

namespace engine {

Device& Volumes::add(std::unique_ptr<Device> device) {
    REQUIRE(find(device->number()) == nullptr);
    const auto at = std::find_if(list_.begin(), list_.end(), [&](const auto& other) {
        return device->number() < other->number();
    });
    return **list_.insert(at, std::move(device));
}

void Volumes::remove(VolumeNumber volume) {
    REQUIRE(std::erase_if(
                list_, [volume](const auto& device) { return device->number() == volume; }) == 1);
}

Device& Volumes::front() const {
    REQUIRE(!list_.empty());
    return *list_.front();
}

Device* Volumes::find(VolumeNumber volume) const {
    const auto found = std::find_if(list_.begin(), list_.end(), [volume](const auto& device) {
        return device->number() == volume;
    });
    return found == list_.end() ? nullptr : found->get();
}

Role Volumes::role() const {
    const bool primary =
        any([](const Device& device) { return device.state().role == Role::Primary; });
    return primary ? Role::Primary : Role::Secondary;
}

bool Volumes::stored() const {
    return all(
        [](const Device& device) { return device.store.clean() && !device.awaits_generation(); });
}

std::string Volumes::names_where(bool (*holds)(const Device&)) const {
    std::string names;
    unsigned count = 0;
    for (const auto& device : list_) {
        if (holds(*device)) {
            names += (count++ == 0 ? "" : ", ") + std::to_string(device->number().value);
        }
    }
    return (count == 1 ? "volume " : "volumes ") + names;
}

}  // namespace engine
