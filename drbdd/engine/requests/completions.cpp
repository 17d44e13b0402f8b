#include "drbdd/engine/requests/completions.h"

#include "drbdd/engine/volume/device.h"

#include <cerrno>
#include <utility>

namespace engine {

bool Completions::writes_are_held() const {
    return device_.state().frozen() || !gate_.generation_stored();
}

void Completions::read(CompleteApp completion) {
    if (device_.state().frozen()) {
        reads_.push_back(std::move(completion));
    } else {
        core_.emit(std::move(completion));
    }
}

void Completions::write(const AppRequest& app, int error, bool ours_alone) {
    if (writes_are_held()) {
        writes_.push_back({app, error, ours_alone});
    } else {
        core_.emit(CompleteApp{app.id, error, {}});
    }
}

std::vector<AppRequest> Completions::on_disk_lost() {
    std::vector<AppRequest> again;
    for (Write& held : std::exchange(writes_, {})) {
        if (held.ours_alone && held.error == 0 && device_.freezer.makes_again()) {
            again.push_back(std::move(held.app));
            continue;
        }
        held.error = held.ours_alone ? EIO : held.error;
        writes_.push_back(std::move(held));
    }
    return again;
}

void Completions::advance() {
    if (none_held() || device_.state().frozen()) {
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
        core_.emit(CompleteApp{held.app.id, held.error, {}});
    }
    core_.progress = true;
}

}  // namespace engine
