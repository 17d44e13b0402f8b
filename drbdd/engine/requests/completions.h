// What the application is about to hear. A completion is held back while its volume is suspended,
// and that of a write until the generation that it belongs to is on stable storage.
#pragma once

#include "drbdd/engine/core.h"
#include "drbdd/engine/requests/gate.h"

#include <vector>

namespace engine {

class Completions {
public:
    Completions(Core& core, const Device& device, const Gate& gate)
        : core_(core), device_(device), gate_(gate) {}

    void read(CompleteApp completion);
    // `ours_alone`: no other copy is known to be good.
    void write(const AppRequest& app, int error, bool ours_alone);

    // The generation that they wait for will never be stored: what was on our disk alone is lost.
    // Returns what is to be made again when there are data.
    std::vector<AppRequest> on_disk_lost();

    // Lets go of what nothing holds any more.
    void advance();

    bool none_held() const { return reads_.empty() && writes_.empty(); }

private:
    struct Write {
        AppRequest app;
        int error;
        bool ours_alone;
    };

    bool writes_are_held() const;

    Core& core_;
    const Device& device_;
    const Gate& gate_;
    std::vector<CompleteApp> reads_;
    std::vector<Write> writes_;
};

}  // namespace engine
