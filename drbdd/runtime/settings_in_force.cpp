#include "drbdd/runtime/settings_in_force.h"

#include <algorithm>

namespace runtime {

namespace {

void take_surroundings(config::ResourceSettings& running, const config::ResourceSettings& wanted) {
    running.config_file = wanted.config_file;
    running.handlers = wanted.handlers;
    running.startup = wanted.startup;
}

const config::VolumeSettings* find(const config::ResourceSettings& settings, std::uint16_t volume) {
    const auto found = std::find_if(settings.volumes.begin(),
                                    settings.volumes.end(),
                                    [volume](const auto& other) { return other.number == volume; });
    return found == settings.volumes.end() ? nullptr : &*found;
}

}  // namespace

bool volumes_agree(const config::ResourceSettings& a, const config::ResourceSettings& b) {
    return std::all_of(a.volumes.begin(), a.volumes.end(), [&](const auto& volume) {
        const config::VolumeSettings* other = find(b, volume.number);
        return other == nullptr || other->minor == volume.minor;
    });
}

config::ResourceSettings with_volume_of(config::ResourceSettings running,
                                        const config::ResourceSettings& wanted,
                                        std::uint16_t volume) {
    take_surroundings(running, wanted);
    const config::VolumeSettings* of_wanted = find(wanted, volume);
    for (config::VolumeSettings& ours : running.volumes) {
        if (ours.number == volume && of_wanted != nullptr) {
            ours.disk = of_wanted->disk;
            ours.meta_disk = of_wanted->meta_disk;
            ours.meta_index = of_wanted->meta_index;
            ours.options = of_wanted->options;
        }
    }
    return running;
}

config::ResourceSettings with_connection_of(config::ResourceSettings running,
                                            const config::ResourceSettings& wanted) {
    take_surroundings(running, wanted);
    running.node = wanted.node;
    running.peer = wanted.peer;
    running.address = wanted.address;
    running.peer_address = wanted.peer_address;
    running.net = wanted.net;
    return running;
}

config::ResourceSettings with_options_of(config::ResourceSettings running,
                                         const config::ResourceSettings& wanted) {
    take_surroundings(running, wanted);
    running.cpu_mask = wanted.cpu_mask;
    running.on_no_data = wanted.on_no_data;
    running.net = wanted.net;
    for (config::VolumeSettings& ours : running.volumes) {
        if (const config::VolumeSettings* of_wanted = find(wanted, ours.number)) {
            ours.options = of_wanted->options;
        }
    }
    return running;
}

config::ResourceSettings with_added(config::ResourceSettings running,
                                    const config::VolumeSettings& volume) {
    const auto at = std::find_if(running.volumes.begin(),
                                 running.volumes.end(),
                                 [&](const auto& other) { return volume.number < other.number; });
    running.volumes.insert(at, volume);
    return running;
}

config::ResourceSettings without(config::ResourceSettings running, std::uint16_t volume) {
    std::erase_if(running.volumes, [volume](const auto& other) { return other.number == volume; });
    return running;
}

}  // namespace runtime
