#include "heartbeat/engine/engine.h"

#include "heartbeat/engine/core.h"

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

}  // namespace hb
