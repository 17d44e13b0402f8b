#include "drbdd/engine/requests/completions.h"

#include "drbdd/engine/volume/device.h"

#include <cerrno>
#include <utility>

namespace engine {

bool Completions::writes_are_held() const {
    return device_.state().susp || !gate_.generation_stored();
}

void Completions::read(CompleteApp completion) {
    if (device_.state().susp) {
        reads_.push_back(std::move(completion));
    } else {
        core_.emit(std::move(completion));
    }
}

void Completions::write(CompleteApp completion, bool ours_alone) {
    if (writes_are_held()) {
        writes_.push_back({std::move(completion), ours_alone});
    } else {
        core_.emit(std::move(completion));
    }
}

void Completions::on_disk_lost() {
    for (Write& held : writes_) {
        held.completion.error = held.ours_alone ? EIO : held.completion.error;
    }
}

void Completions::advance() {
    if (none_held() || device_.state().susp) {
        return;
    }
    for (CompleteApp& completion : std::exchange(reads_, {})) {
        core_.emit(std::move(completion));
        core_.progress = true;
    }
    if (writes_.empty() || writes_are_held()) {
        return;
    }
    for (Write& held : std::exchange(writes_, {})) {
        core_.emit(std::move(held.completion));
    }
    core_.progress = true;
}

}  // namespace engine
