#include "drbdd/runtime/resource_core.h"

#include "drbdd/runtime/clock.h"
#include "drbdd/runtime/engine_settings.h"
#include "drbdd/runtime/processors.h"
#include "drbdd/runtime/settings_in_force.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <sys/random.h>
#include <sys/wait.h>
#include <utility>

namespace runtime {

namespace asio = boost::asio;

namespace {

constexpr auto kTrimInterval = std::chrono::seconds(1);
constexpr int kAheadWithoutA = 155;
constexpr int kNoDeviceNode = 162;  // the request can't be done as the configuration wants it

// For uuids and randomised delays.
std::uint64_t seed() {
    std::uint64_t value = 0;
    REQUIRE(::getrandom(&value, sizeof value, 0) == sizeof value);
    return value;
}

// Who runs ahead leaves writes with one copy, which only protocol A promises no more than.
bool runs_ahead_in_vain(const config::NetSettings& net) {
    return net.on_congestion == config::OnCongestion::PullAhead &&
           net.protocol != config::Protocol::A;
}

// Of what waitpid() says; -1: there is none.
int exit_code_of(int wait_status) {
    return wait_status >= 0 && WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
}

}  // namespace

ResourceCore::ResourceCore(asio::io_context& context,
                           OperationRing& ring,
                           RingBufferPool& pool,
                           Worker& worker,
                           const config::ResourceSettings& settings,
                           const Surroundings& surroundings,
                           PublishedSnapshot& snapshot)
    : context_(context),
      ring_(ring),
      worker_(worker),
      surroundings_(surroundings),
      snapshot_(snapshot),
      settings_(std::make_shared<config::ResourceSettings>(settings)),
      pool_(pool),
      transport_(context, pool_, *this, transport_settings()),
      engine_(engine_settings(settings), pool_, surroundings.log, surroundings.challenges, seed()),
      tick_(context),
      trim_(context),
      users_timer_(context) {
    for (const config::VolumeSettings& volume : settings.volumes) {
        units_.emplace(engine::VolumeNumber{volume.number}, make_unit(volume));
    }
}

ResourceCore::~ResourceCore() {
    mailbox_->close();
}

base::Result<void> ResourceCore::start() {
    for (auto& [volume, unit] : units_) {
        auto server = surroundings_.frontends.make_export(context_, *unit.port, unit.identity);
        if (auto started = server->start(); !started) {
            return started;
        }
        unit.export_ = std::move(server);
    }
    for (auto& [volume, unit] : units_) {
        unit.node->reserve();
    }
    publish();
    arm_timer();
    return {};
}

VolumeUnit& ResourceCore::unit(engine::VolumeNumber volume) {
    const auto found = units_.find(volume);
    REQUIRE(found != units_.end());
    return found->second;
}

TcpSettings ResourceCore::transport_settings() const {
    TcpSettings result = tcp_settings(*settings_);
    result.any_peer_address = surroundings_.any_peer_address;
    result.tell = [&log = surroundings_.log, name = settings_->name](const std::string& what) {
        log.write(base::LogLevel::Warning, name + " " + what);
    };
    return result;
}

// --- Events in, effects out ---------------------------------------------------------------------

void ResourceCore::on_event(engine::Event event) {
    events_.push_back(std::move(event));
    schedule_pump();
}

void ResourceCore::schedule_pump() {
    if (!std::exchange(pump_scheduled_, true)) {
        asio::post(context_, [this] { pump(); });
    }
}

// One turn: what has happened so far goes through the engine, then everything that this led to
// leaves with one system call per socket and one for the disks. What comes up meanwhile waits for
// the next turn, so that nobody keeps the loop for himself.
void ResourceCore::pump() {
    pump_scheduled_ = false;
    in_turn_ = true;
    std::swap(events_, batch_);  // both keep their memory
    for (engine::Event& event : batch_) {
        engine_.step(now(), std::move(event), effects_);
        for (engine::Effect& effect : effects_.list()) {
            execute(effect);
        }
        effects_.clear();
    }
    batch_.clear();
    if (std::exchange(status_changed_, false)) {
        publish();
        follow_role();
    }
    transport_.flush();
    ring_.submit();
    arm_timer();
    arm_trim();
    in_turn_ = false;
}

class ResourceCore::Deed {
public:
    explicit Deed(ResourceCore& core) : core_(core) {}

    void operator()(engine::StartListening&) const { core_.transport_.start_listening(); }

    void operator()(engine::StopListening&) const { core_.transport_.stop_listening(); }

    void operator()(engine::Connect& connect) const { core_.transport_.connect(connect.socket); }

    void operator()(engine::CloseSocket& close) const {
        core_.transport_.close(close.socket, close.after_sending);
    }

    void operator()(engine::PauseReading& pause) const {
        core_.transport_.pause_reading(pause.socket, pause.paused);
    }

    void operator()(engine::Send& send) const { core_.transport_.send(std::move(send)); }

    template <typename Other>
    void operator()(Other& other) const {
        core_.perform(other);
    }

private:
    ResourceCore& core_;
};

void ResourceCore::execute(engine::Effect& effect) {
    std::visit(Deed(*this), effect);
}

// A deadline that moves further away, as most do with every packet, costs nothing: the timer fires
// once too often and is then armed for what is due by that time.
void ResourceCore::arm_timer() {
    const io::Instant deadline = engine_.next_deadline();
    if (deadline >= tick_armed_) {
        return;
    }
    tick_armed_ = deadline;
    tick_.expires_at(to_steady(deadline));
    tick_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            tick_armed_ = io::kNever;
            on_event(engine::Tick{});
        }
    });
}

void ResourceCore::arm_trim() {
    if (std::exchange(trim_armed_, true)) {
        return;
    }
    trim_.expires_after(kTrimInterval);
    trim_.async_wait([this](const boost::system::error_code& error) {
        if (error) {
            return;
        }
        trim_armed_ = false;
        if (pool_.trim()) {
            arm_trim();
        }
    });
}

void ResourceCore::perform(engine::CompleteApp& effect) {
    for (auto& [volume, unit] : units_) {
        if (unit.port->complete(effect)) {
            return;
        }
    }
    REQUIRE(false);  // a request is completed once, and only if it was submitted
}

void ResourceCore::perform(engine::AdminDone& effect) {
    const auto found = admin_.find(effect.id.value);
    REQUIRE(found != admin_.end());
    const AdminCallback told = std::move(found->second);
    admin_.erase(found);
    told({effect.code, std::move(effect.text)});
}

void ResourceCore::perform(engine::AdminStillRunning& effect) {
    const auto found = admin_.find(effect.id.value);
    REQUIRE(found != admin_.end());
    const AdminCallback told = found->second;
    told({static_cast<int>(engine::StateCode::InTransientState), std::move(effect.text), true});
}

void ResourceCore::perform(engine::VolumeChanged& effect) {
    status_changed_ = true;
    const engine::ResourceStatus status = engine_.status(now());
    for (const engine::VolumeStatus& volume : status.volumes) {
        if (volume.number != effect.volume) {
            continue;
        }
        VolumeUnit& changed = unit(volume.number);
        const bool resized = changed.port->status().size_sectors != volume.size_sectors;
        changed.port->update(volume);
        if (resized && nodes_wanted_) {
            worker_.post([node = changed.node,
                          bytes = base::to_bytes({volume.size_sectors}),
                          &log = surroundings_.log] {
                if (auto resized_node = node->resize(bytes); !resized_node) {
                    log.write(base::LogLevel::Error, resized_node.error().text);
                }
            });
        }
    }
}

void ResourceCore::perform(engine::StatusChanged&) {
    status_changed_ = true;
}

void ResourceCore::Mailbox::post(engine::HandlerDone done) {
    const std::lock_guard lock(mutex_);
    if (core_ != nullptr) {
        asio::post(core_->context_, [core = core_, done] { core->on_event(done); });
    }
}

void ResourceCore::Mailbox::close() {
    const std::lock_guard lock(mutex_);
    core_ = nullptr;
}

void ResourceCore::perform(engine::RunHandler& effect) {
    const auto handler = settings_->handlers.find(effect.name);
    if (handler == settings_->handlers.end()) {
        if (effect.report) {
            on_event(engine::HandlerDone{effect.volume, 0, effect.name, effect.run});
        }
        return;
    }
    const VolumeIdentity& identity = unit(effect.volume).identity;
    HandlerCall call;
    call.name = effect.name;
    call.command = handler->second;
    // One after the other, as the kernel runs them; but nothing may stand before a takeover.
    if (effect.name != "fence-peer") {
        call.queue = "minor " + std::to_string(identity.minor);
    }
    call.environment = {
        {"DRBD_RESOURCE", settings_->name},
        {"DRBD_CONF", settings_->config_file},
        {"DRBD_MINOR", std::to_string(identity.minor)},
        {"DRBD_VOLUME", std::to_string(identity.volume)},
        {"DRBD_LL_DISK", identity.disk},
        {"DRBD_PEER", settings_->peer},
        {"DRBD_PEERS", settings_->peer},
        {"DRBD_PEER_AF",
         settings_->peer_address.family == config::AddressFamily::Ipv6 ? "ipv6" : "ipv4"},
        {"DRBD_PEER_ADDRESS", settings_->peer_address.ip},
    };
    HandlerEvent event{settings_->name, effect.volume, effect.name, std::nullopt};
    surroundings_.handler_event(event);
    call.ended = [&surroundings = surroundings_,
                  event,
                  run = effect.run,
                  mailbox = effect.report ? mailbox_ : nullptr](int status) mutable {
        event.status = status;
        surroundings.handler_event(event);
        if (mailbox != nullptr) {
            mailbox->post(engine::HandlerDone{event.volume, exit_code_of(status), event.name, run});
        }
    };
    surroundings_.handlers.run(std::move(call));
}

void ResourceCore::perform(engine::SettingsAdopted& effect) {
    auto settings = std::make_shared<config::ResourceSettings>(*settings_);
    adopt(settings->net, effect);
    settings_ = std::move(settings);
    publish();
}

void ResourceCore::publish() {
    auto snapshot = std::make_shared<ResourceSnapshot>();
    snapshot->taken = now();
    snapshot->status = engine_.status(snapshot->taken);
    snapshot->settings = settings_;
    snapshot->congested = transport_.congested();
    for (const engine::VolumeStatus& status : snapshot->status.volumes) {
        VolumeUnit& shown = unit(status.number);
        shown.port->update(status);
        VolumeSnapshot volume;
        volume.device = shown.identity.device;
        volume.backing_path = shown.disk ? shown.disk->path() : "";
        volume.frontend = shown.frontend;
        volume.frontend_note = shown.frontend_note;
        volume.users = shown.port->users_text();
        snapshot->volumes.push_back(std::move(volume));
    }
    snapshot_.set(snapshot);
    // Once it is going down it is no resource of this node any more, however long a disk takes.
    if (!stopping_) {
        surroundings_.published(snapshot);
    }
}

// --- Administrator's commands -------------------------------------------------------------------

// Whoever asked for a detach is answered when the device is free for others.
void ResourceCore::answer(AdminCallback done, AdminReply reply) {
    if (disks_closing_ == 0) {
        done(std::move(reply));
        return;
    }
    after_closing_.push_back([done = std::move(done), reply = std::move(reply)] { done(reply); });
}

// The first reply is the answer. What comes of a command that was still running then is only
// logged: nobody waits for it.
AdminCallback ResourceCore::answered_once(AdminCallback done) {
    const auto waiting = std::make_shared<AdminCallback>(std::move(done));
    return [this, waiting](AdminReply reply) {
        AdminCallback first = std::exchange(*waiting, nullptr);
        if (first && reply.still_running) {
            first(std::move(reply));
        } else if (first) {
            answer(std::move(first), std::move(reply));
        } else if (reply.code != 0 && !reply.still_running) {
            surroundings_.log.write(base::LogLevel::Error,
                                    base::format("drbd %s: a command that was still running has "
                                                 "failed: (%d) %s",
                                                 settings_->name.c_str(),
                                                 reply.code,
                                                 reply.text.c_str()));
        }
    };
}

void ResourceCore::command(engine::AdminCommand command, AdminCallback done) {
    command_to_its_end(std::move(command), answered_once(std::move(done)));
}

void ResourceCore::command_to_its_end(engine::AdminCommand command, AdminCallback told) {
    if (const auto* detach = std::get_if<engine::Detach>(&command)) {
        give_up_opening(detach->volume);
    }
    const std::uint64_t id = ++last_admin_;
    admin_.emplace(id, std::move(told));
    on_event(engine::Admin{{id}, std::move(command)});
}

void ResourceCore::connect(bool discard_my_data,
                           const std::optional<config::ResourceSettings>& wanted,
                           AdminCallback done) {
    if (engine_.status(now()).conn != engine::ConnState::StandAlone) {
        done({102, "the resource has a connection already (use disconnect first)"});
        return;
    }
    if (wanted && !fits_our_volumes(*wanted, done)) {
        return;
    }
    if (runs_ahead_in_vain(wanted ? wanted->net : settings_->net)) {
        done({kAheadWithoutA, ""});
        return;
    }
    if (wanted) {
        put_in_force(with_connection_of(*settings_, *wanted));
    }
    command(engine::ConnectCommand{discard_my_data}, std::move(done));
}

void ResourceCore::change_options(const config::ResourceSettings& wanted, AdminCallback done) {
    if (runs_ahead_in_vain(wanted.net)) {
        done({kAheadWithoutA, ""});
    } else if (fits_our_volumes(wanted, done)) {
        put_in_force(with_options_of(*settings_, wanted));
        done({});
    }
}

bool ResourceCore::fits_our_volumes(const config::ResourceSettings& wanted,
                                    const AdminCallback& done) const {
    if (volumes_agree(*settings_, wanted)) {
        return true;
    }
    done({162, "a volume of the resource has another minor: 'drbdadm adjust' brings it up anew"});
    return false;
}

// The engine gets them before any command that comes later. What the peer changes until then does
// not last.
void ResourceCore::put_in_force(config::ResourceSettings settings) {
    const auto made = std::make_shared<config::ResourceSettings>(std::move(settings));
    if (made->cpu_mask != settings_->cpu_mask) {
        run_on_processors(*made, surroundings_.log);
    }
    settings_ = made;
    transport_.change_settings(transport_settings());
    command(engine::ChangeSettings{engine_settings(*made)}, [this, made](const AdminReply&) {
        config::ResourceSettings now = *settings_;  // a volume may have come or gone meanwhile
        now.net = made->net;
        settings_ = std::make_shared<const config::ResourceSettings>(std::move(now));
        publish();
    });
    publish();
}

// A promotion that is answered late gets its nodes all the same, when it has come to its end.
void ResourceCore::promote(engine::Promote how, AdminCallback done) {
    const bool was_primary = engine_.status(now()).role == engine::Role::Primary;
    command_to_its_end(
        how, [this, was_primary, once = answered_once(std::move(done))](AdminReply reply) {
            if (reply.code != 0) {
                once(std::move(reply));
                return;
            }
            nodes_wanted_ = true;
            attach_nodes([this, was_primary, once](const std::string& trouble) {
                if (trouble.empty()) {
                    once({});
                } else if (was_primary) {
                    once({kNoDeviceNode, trouble});  // whoever uses it already goes on
                } else {
                    take_back_promotion(trouble, once);
                }
            });
        });
}

// A Primary whose device is missing is of no use to whoever asked for it, and in the way of the
// peer.
void ResourceCore::take_back_promotion(const std::string& trouble, AdminCallback done) {
    demote([trouble, done = std::move(done)](const AdminReply& demoted) {
        const std::string more = demoted.code == 0 ? "" : "\nand it stays Primary: " + demoted.text;
        done({kNoDeviceNode, trouble + more});
    });
}

// Who asks again while one is under way waits for that one: two that take nodes away and bring them
// back would be in each other's way, and on a slow machine neither would ever end.
void ResourceCore::demote(AdminCallback done) {
    demotions_.push_back(std::move(done));
    if (demotions_.size() > 1) {
        return;
    }
    release_volumes([this](const std::string& who) {
        if (!who.empty()) {
            end_demotion({-12, "Device is held open by someone\n" + who});
            return;
        }
        command(engine::Demote{}, [this](AdminReply reply) {
            forbid_open(false);
            if (reply.code != 0 && !reply.still_running) {
                attach_nodes([this, reply](const std::string&) { end_demotion(reply); });
                return;
            }
            nodes_wanted_ = false;
            end_demotion(reply);
        });
    });
}

void ResourceCore::end_demotion(const AdminReply& reply) {
    for (const AdminCallback& done : std::exchange(demotions_, {})) {
        done(reply);
    }
}

void ResourceCore::stop(std::function<void()> stopped) {
    stopping_ = true;
    const auto left = std::make_shared<std::size_t>(1);
    const auto one_less = [left, stopped = std::move(stopped)] {
        if (--*left == 0) {
            stopped();
        }
    };
    for (auto& [volume, unit] : units_) {
        if (unit.export_) {
            ++*left;
            unit.export_->stop(one_less);
        }
    }
    vacate_nodes(one_less);
}

}  // namespace runtime
