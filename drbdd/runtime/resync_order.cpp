#include "drbdd/runtime/resync_order.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace runtime {

namespace {

using engine::ConnState;
using engine::DiskState;
using Minor = std::uint32_t;

struct Place {
    std::string resource;
    engine::VolumeNumber volume;
    engine::VolumeState state;
    std::optional<Minor> after;
};

using Places = std::map<Minor, Place>;

std::optional<Minor> minor_of(const std::string& text) {
    Minor minor = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minor);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole ? std::optional(minor) : std::nullopt;
}

void add(Places& places, const ResourceSnapshot& resource) {
    for (const config::VolumeSettings& settings : resource.settings->volumes) {
        for (const engine::VolumeStatus& volume : resource.status.volumes) {
            if (volume.number.value == settings.number) {
                places[settings.minor] = {resource.status.name,
                                          volume.number,
                                          volume.state,
                                          minor_of(settings.options.resync_after)};
            }
        }
    }
}

// The others have to let it end first.
bool is_at_it(const engine::VolumeState& state) {
    return (state.conn >= ConnState::SyncSource && state.conn <= ConnState::PausedSyncT) ||
           state.aftr_isp || state.peer_isp || state.user_isp;
}

bool waits(const Places& places, const Place& place) {
    const Place* at = &place;
    bool somebody_is_at_it = false;
    for (std::size_t step = 0; at->after; ++step) {
        const auto before = places.find(*at->after);
        if (before == places.end() || before->second.state.disk == DiskState::Diskless) {
            return somebody_is_at_it;
        }
        if (step == places.size()) {
            return false;  // it has come round
        }
        at = &before->second;
        somebody_is_at_it = somebody_is_at_it || is_at_it(at->state);
    }
    return somebody_is_at_it;
}

}  // namespace

bool follows_another(const ResourceSnapshot& resource) {
    const auto& volumes = resource.settings->volumes;
    return std::any_of(volumes.begin(), volumes.end(), [](const config::VolumeSettings& volume) {
        return !volume.options.resync_after.empty();
    });
}

std::vector<ResyncTurn> resync_turns(const std::vector<SnapshotPtr>& resources) {
    Places places;
    for (const SnapshotPtr& resource : resources) {
        add(places, *resource);
    }
    std::vector<ResyncTurn> turns;
    for (const auto& [minor, place] : places) {
        const bool wait = place.state.disk != DiskState::Diskless && waits(places, place);
        if (wait != place.state.aftr_isp) {
            turns.push_back({place.resource, {place.volume, wait}});
        }
    }
    return turns;
}

}  // namespace runtime
