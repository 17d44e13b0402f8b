#include "drbdd/engine/engine.h"

#include "drbdd/engine/resource.h"

namespace engine {

Engine::Engine(ResourceSettings settings,
               io::BufferPool& pool,
               base::LogSink& log,
               io::Challenges& challenges,
               std::uint64_t seed)
    : resource_(std::make_unique<Resource>(std::move(settings), pool, log, challenges, seed)) {
}

Engine::~Engine() = default;

void Engine::step(io::Instant now, Event event, Effects& effects) {
    resource_->step(now, std::move(event), effects);
}

io::Instant Engine::next_deadline() const {
    return resource_->next_deadline();
}

ResourceStatus Engine::status(io::Instant now) const {
    return resource_->status(now);
}

bool Engine::is_out_of_sync(VolumeNumber volume, std::uint64_t bit) const {
    const Device* device = resource_->volumes().find(volume);
    return device != nullptr && bit < device->bitmap.bits() && device->bitmap.test(bit);
}

std::uint64_t Engine::last_step_work() const {
    return resource_->last_step_work();
}

bool Engine::is_al_active(VolumeNumber volume, std::uint32_t al_extent) const {
    const Device* device = resource_->volumes().find(volume);
    return device != nullptr && device->log.is_active(al_extent);
}

}  // namespace engine
