// haresources is read anew while groups run: what stays as it was goes on, what changes waits until
// it is idle here. Nothing that was promised is dropped; a later file takes the place of an
// earlier.
#include "heartbeat/engine/core.h"

#include <algorithm>
#include <utility>

namespace hb {

namespace {

bool same(const config::ResourceGroup& a, const config::ResourceGroup& b) {
    return a.node == b.node &&
           std::equal(a.words.begin(),
                      a.words.end(),
                      b.words.begin(),
                      b.words.end(),
                      [](const auto& one, const auto& other) { return one.text == other.text; });
}

const config::ResourceGroup* find_same(const config::Haresources& resources, const Group& group) {
    const auto found = std::find_if(
        resources.groups.begin(), resources.groups.end(), [&](const config::ResourceGroup& each) {
            return same(each, group.config);
        });
    return found == resources.groups.end() ? nullptr : &*found;
}

}  // namespace

void Groups::replace(const config::Haresources& resources) {
    promised_ = resources;
    use_promised();
    if (promised_) {
        core_.journal.warning("haresources has changed; it is used later: " + promised());
    }
}

// A group that changes or goes while something of it may run here; null: none.
const Group* Groups::obstacle(const config::Haresources& resources) const {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        if (find_same(resources, groups_[i]) == nullptr &&
            (!idle(i) || groups_[i].any(ResourceState::unknown))) {
            return &groups_[i];
        }
    }
    return nullptr;
}

std::string Groups::promised() const {
    if (!promised_) {
        return {};
    }
    if (const Group* group = obstacle(*promised_); group != nullptr) {
        return "the new haresources waits until group " + group->key() + " does not run here";
    }
    return "the new haresources waits until nothing is under way";
}

void Groups::use_promised() {
    if (!promised_ || busy() || !core_.standby.idle() || core_.takeover.pending() ||
        core_.shutdown.running() || obstacle(*promised_) != nullptr) {
        return;
    }
    const config::Haresources resources = *std::exchange(promised_, std::nullopt);
    std::vector<Group> fresh;
    for (const config::ResourceGroup& config : resources.groups) {
        fresh.push_back(make_group(config, core_.settings.node));
        for (Group& old : groups_) {
            if (same(config, old.config)) {
                fresh.back() = std::move(old);
                break;
            }
        }
    }
    groups_ = std::move(fresh);
    core_.settings.resources = resources;
    core_.journal.decide("haresources has been read anew", {});
    core_.monitors.replace();
    core_.legacy_mode.on_replaced();
    start_what_is_held(true);
}

// What is new in a hold of ours belongs to it; what has failed may have been repaired meanwhile.
void Groups::start_what_is_held(bool also_failed) {
    const bool certain = core_.holdings.phase() == Phase::stable && !core_.isolation.isolated() &&
                         !core_.legacy();  // there each is asked for
    for (std::size_t i = 0; certain && i < groups_.size(); ++i) {
        const Hold which = groups_[i].local ? Hold::local : Hold::foreign;
        if (has(core_.holdings.hold(), which) &&
            (groups_[i].state == GroupState::stopped || also_failed) &&
            groups_[i].state != GroupState::running && !at_work(i)) {
            groups_[i].failures = 0;
            take(Purpose::retry, {i});
        }
    }
}

}  // namespace hb
