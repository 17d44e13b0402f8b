// The part of ResourceCore that makes volumes, and lets them go.
#include "drbdd/runtime/engine_settings.h"
#include "drbdd/runtime/resource_core.h"
#include "drbdd/runtime/settings_in_force.h"

#include <memory>
#include <utility>

namespace runtime {

namespace asio = boost::asio;

namespace {

constexpr int kMinorHasDisk = 160;  // or is Primary
constexpr int kVolumeExists = 161;
constexpr int kNoExport = 162;
constexpr int kHeldOpen = -12;

engine::VolumeSettings engine_volume(const config::ResourceSettings& settings,
                                     std::uint16_t number) {
    for (engine::VolumeSettings& volume : engine_settings(settings).volumes) {
        if (volume.number.value == number) {
            return volume;
        }
    }
    REQUIRE(false);  // it is one of them
}

}  // namespace

VolumeUnit ResourceCore::make_unit(const config::VolumeSettings& volume) {
    VolumeUnit unit;
    unit.identity = {
        settings_->name, volume.number, volume.minor, volume.device, volume.disk, volume.implicit};
    unit.disks = {volume.disk, volume.meta_disk, volume.meta_index};
    unit.port = std::make_unique<VolumePort>(
        context_,
        pool_,
        *this,
        request_ids_,
        settings_->name,
        engine::VolumeSettings{{volume.number}, volume.minor, {}},
        [this, number = engine::VolumeNumber{volume.number}](base::BitIndex block) {
            return engine_.is_out_of_sync(number, block.value);
        },
        [this, number = engine::VolumeNumber{volume.number}](
            std::uint64_t offset, std::uint64_t length, std::size_t most, io::AllocationTold told) {
            map_allocation(number, offset, length, most, std::move(told));
        });
    unit.node = surroundings_.frontends.make_node(unit.identity);
    unit.disk_worker = std::make_unique<Worker>();
    unit.attach_timer = std::make_unique<asio::steady_timer>(context_);
    return unit;
}

void ResourceCore::add_volume(const config::VolumeSettings& volume, AdminCallback done) {
    const engine::VolumeNumber number{volume.number};
    if (units_.contains(number)) {
        done({kVolumeExists, "Minor or volume exists already (delete it first)"});
        return;
    }
    auto settings =
        std::make_shared<const config::ResourceSettings>(with_added(*settings_, volume));
    VolumeUnit& added = units_.emplace(number, make_unit(volume)).first->second;
    auto server = surroundings_.frontends.make_export(context_, *added.port, added.identity);
    if (auto started = server->start(); !started) {
        units_.erase(number);
        done({kNoExport, started.error().text});
        return;
    }
    added.export_ = std::move(server);
    command_to_its_end(
        engine::AddVolume{engine_volume(*settings, volume.number)},
        [this, number, volume, done = std::move(done)](AdminReply reply) {
            if (reply.code != 0) {
                drop_unit(number, [done, reply] { done(reply); });
                return;
            }
            settings_ =
                std::make_shared<const config::ResourceSettings>(with_added(*settings_, volume));
            publish();
            on_worker([node = unit(number).node] { node->reserve(); }, [done] { done({}); });
        });
}

// First nobody can open it any more, then its node goes, then the engine forgets it.
void ResourceCore::remove_volume(engine::VolumeNumber volume, AdminCallback done) {
    const auto found = units_.find(volume);
    if (found == units_.end()) {
        done({127, "Device minor not allocated"});
        return;
    }
    VolumeUnit& leaving = found->second;
    if (leaving.disk || leaving.attach_running) {
        done({kMinorHasDisk, "Minor still has a disk"});
        return;
    }
    if (leaving.leaving || !disks_free()) {
        done({static_cast<int>(engine::StateCode::InTransientState),
              leaving.leaving ? "the volume is just being removed"
                              : "a disk of the resource has not been closed yet"});
        return;
    }
    if (const std::string users = leaving.port->users_text(); !users.empty()) {
        done({kHeldOpen, "Device is held open by someone\n" + users});
        return;
    }
    leaving.leaving = true;
    leaving.port->forbid_open(true);
    take_away(volume, done);
}

void ResourceCore::take_away(engine::VolumeNumber volume, const AdminCallback& done) {
    const auto trouble = std::make_shared<std::string>();
    on_worker(
        [node = unit(volume).node, trouble] {
            if (auto detached = node->detach(); !detached) {
                *trouble = detached.error().text;
            }
        },
        [this, volume, trouble, done] {
            const auto keep = [this, volume, done](AdminReply reply) {
                unit(volume).leaving = false;
                unit(volume).port->forbid_open(false);
                done(std::move(reply));
            };
            if (!trouble->empty()) {
                keep({kHeldOpen, "Device is held open by someone\n" + *trouble});
                return;
            }
            command_to_its_end(engine::RemoveVolume{volume},
                               [this, volume, keep, done](AdminReply reply) {
                                   if (reply.code != 0) {
                                       keep(std::move(reply));
                                       return;
                                   }
                                   settings_ = std::make_shared<const config::ResourceSettings>(
                                       without(*settings_, volume.value));
                                   drop_unit(volume, [done] { done({}); });
                               });
        });
}

// The engine does not know of it, and no disk of it is open.
void ResourceCore::drop_unit(engine::VolumeNumber volume, std::function<void()> then) {
    REQUIRE(unit(volume).disk == nullptr);
    const auto stop = [this, volume, then = std::move(then)] {
        unit(volume).export_->stop([this, volume, then] {
            units_.erase(volume);
            publish();
            then();
        });
    };
    on_worker([node = unit(volume).node] { node->vacate(); }, stop);
}

}  // namespace runtime
