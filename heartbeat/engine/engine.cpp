#include "heartbeat/engine/engine.h"

#include "heartbeat/engine/core.h"

#include <algorithm>

namespace hb {

Engine::Engine(Settings settings, Start start)
    : core_(std::make_unique<Core>(std::move(settings), start)) {
}

Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::step(const Event& event, Effects& effects) {
    core_->step(event, effects);
}

std::optional<Time> Engine::next_wakeup() const {
    if (!core_->started || core_->ended) {
        return std::nullopt;
    }
    return core_->next_wakeup();
}

Snapshot Engine::status() const {
    return snapshot_of(*core_);
}

Vitals Engine::vitals() const {
    Vitals vitals;
    vitals.hold = core_->holdings.hold();
    if (const Node* partner = core_->members.partner(); partner != nullptr) {
        vitals.partner = partner->name;
        vitals.partner_generation = partner->generation;
        vitals.partner_sequence =
            std::max(partner->sequence.floor, partner->sequence.last.value_or(0));
        vitals.heard =
            partner->heard ? partner->last_status : partner->last_status - core_->start.silence;
        vitals.heard_us = partner->ours && partner->alive() ? partner->heard_us : vitals.heard;
    }
    if (core_->isolation.stops_until() != kNever) {
        vitals.stops_until = core_->isolation.stops_until();
    }
    // Who has not looked around does not know what it leaves.
    for (const Group& group : core_->groups.all()) {
        if (!core_->holdings.looked() || !group.all(ResourceState::stopped) ||
            core_->stragglers.at_work_on(group)) {
            vitals.groups.push_back(group.key());
        }
        if (core_->groups.given_alone(group, vitals.hold)) {
            vitals.given.push_back(group.key());
        }
    }
    return vitals;
}

const config::Haresources& Engine::resources() const {
    return core_->settings.resources;
}

}  // namespace hb
