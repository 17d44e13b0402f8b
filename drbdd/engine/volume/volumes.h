// The volumes of one resource on this node.
#pragma once

#include "drbdd/engine/rules/state.h"
#include "drbdd/engine/volume/device.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace engine {

class Volumes {
public:
    using List = std::vector<std::unique_ptr<Device>>;

    Device& add(std::unique_ptr<Device> device);  // in the order of their numbers
    void remove(VolumeNumber volume);

    bool empty() const { return list_.empty(); }

    List::const_iterator begin() const { return list_.begin(); }

    List::const_iterator end() const { return list_.end(); }

    std::size_t size() const { return list_.size(); }

    Device& front() const;
    Device* find(VolumeNumber volume) const;  // nullptr: there is none

    // The resource's: that of all its volumes.
    Role role() const;

    template <typename Question>
    bool any(Question question) const {
        return std::any_of(
            list_.begin(), list_.end(), [&](const auto& device) { return question(*device); });
    }

    template <typename Question>
    bool all(Question question) const {
        return std::all_of(
            list_.begin(), list_.end(), [&](const auto& device) { return question(*device); });
    }

    // All that their superblocks should say is on disk, here or where the data are.
    bool stored() const;

    // "volume 0", "volumes 0, 2": those of which it holds
    std::string names_where(bool (*holds)(const Device&)) const;

private:
    List list_;
};

}  // namespace engine
