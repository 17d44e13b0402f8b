#include "drbdd/runtime/settings_in_force.h"

#include <algorithm>
#include <cstddef>

namespace runtime {

namespace {

void take_surroundings(config::ResourceSettings& running, const config::ResourceSettings& wanted) {
    running.config_file = wanted.config_file;
    running.handlers = wanted.handlers;
    running.startup = wanted.startup;
}

}  // namespace

bool same_volumes(const config::ResourceSettings& a, const config::ResourceSettings& b) {
    return std::equal(a.volumes.begin(),
                      a.volumes.end(),
                      b.volumes.begin(),
                      b.volumes.end(),
                      [](const config::VolumeSettings& x, const config::VolumeSettings& y) {
                          return x.number == y.number && x.minor == y.minor;
                      });
}

config::ResourceSettings with_volume_of(config::ResourceSettings running,
                                        const config::ResourceSettings& wanted,
                                        std::uint16_t volume) {
    take_surroundings(running, wanted);
    for (std::size_t index = 0; index < running.volumes.size(); ++index) {
        if (running.volumes[index].number == volume) {
            running.volumes[index].disk = wanted.volumes[index].disk;
            running.volumes[index].meta_disk = wanted.volumes[index].meta_disk;
            running.volumes[index].meta_index = wanted.volumes[index].meta_index;
            running.volumes[index].options = wanted.volumes[index].options;
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
    for (std::size_t index = 0; index < running.volumes.size(); ++index) {
        running.volumes[index].options = wanted.volumes[index].options;
    }
    return running;
}

}  // namespace runtime
