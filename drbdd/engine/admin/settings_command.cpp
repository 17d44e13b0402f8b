#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"

namespace engine {

namespace {

class ChangeSettingsRun final : public Command {
public:
    ChangeSettingsRun(Node& node, ResourceSettings settings)
        : Command(node, {Scope::Reach::Nothing}), settings_(std::move(settings)) {}

    std::optional<Answer> advance() override {
        const bool other_digest = settings_.net.verify_alg != core().settings.net.verify_alg;
        if (other_digest &&
            volumes().any([](const Device& device) { return verifying(device.state().conn); })) {
            return Answer{kErrVerifyRunning, "Can not change verify-alg while online verify runs"};
        }
        const bool other_sums = settings_.net.csums_alg != core().settings.net.csums_alg;
        if (other_sums &&
            volumes().any([](const Device& device) { return device.state().syncing(); })) {
            return Answer{kErrCsumsInUse, "Can not change csums-alg while resync is in progress"};
        }
        if (!PayloadDigests::known(settings_.net.integrity_alg)) {
            return Answer{kErrIntegrityAlg,
                          "The 'data-integrity-alg' you specified is not known here."};
        }
        connection().change_settings(settings_.net);
        core().settings.fencing = settings_.fencing;
        core().settings.on_no_data = settings_.on_no_data;
        for (const VolumeSettings& volume : settings_.volumes) {
            if (Device* device = volumes().find(volume.number)) {
                device->change_settings(volume);
            }
        }
        return Answer::success();
    }

private:
    const ResourceSettings settings_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const ChangeSettings& what) {
    return std::make_unique<ChangeSettingsRun>(node, what.settings);
}

}  // namespace engine
