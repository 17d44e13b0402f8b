#include "tests/sim/host.h"

#include "base/require.h"
#include "tests/sim/disk_metadata.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMaxStepsAtOneInstant = 100'000;
// Passes of loops in one step, whatever is pending: a few for each write that the transfer log may
// hold. A walk over all of them for each of a thousand is more.
constexpr std::uint64_t kMaxStepWork = 100'000;

template <typename... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

std::uint64_t digest(const std::vector<std::uint8_t>& bytes) {
    std::uint64_t hash = 0xcbf29ce484222325ull;
    for (const std::uint8_t byte : bytes) {
        hash = (hash ^ byte) * 0x100000001b3ull;
    }
    return hash;
}

// What the data's device may gain.
constexpr std::uint64_t kRoomToGrow = 64u << 20;

// External metadata lies behind the data (SimDisk), from a whole block on.
meta::Layout layout_on(const io::DiskGeometry& geometry, std::uint32_t al_stripes) {
    if (!geometry.meta) {
        return *meta::internal_layout(geometry.size_bytes, al_stripes);
    }
    meta::Layout layout = *meta::layout_for(
        {meta::Placement::Kind::FlexibleExternal}, geometry.meta->size_bytes, al_stripes);
    meta::limit_to_device(layout, geometry.size_bytes);
    const base::Sector start{(geometry.size_bytes + meta::kBlockBytes - 1) / meta::kBlockBytes *
                                 meta::kSectorsPerBlock +
                             kRoomToGrow / base::kSectorBytes};
    for (base::Sector* sector :
         {&layout.superblock_sector, &layout.al_sector, &layout.bitmap_sector}) {
        *sector = *sector + start;
    }
    return layout;
}

}  // namespace

io::Challenge SimChallenges::issue() {
    io::Challenge challenge{};
    for (std::size_t at = 0; at < challenge.size(); at += 8) {
        base::put_raw64(challenge, at, prng_.next());
    }
    recent_.add(challenge);
    return challenge;
}

Host::Host(World& world, SimNet& net, HostObserver& observer, Node node)
    : world_(world), net_(net), observer_(observer), node_(node) {
}

Host::~Host() = default;

void Host::add_volume(io::DiskGeometry geometry, std::uint32_t al_stripes) {
    Volume volume;
    volume.al_stripes = al_stripes;
    volume.layout = layout_on(geometry, al_stripes);
    const base::Sector metadata_start = geometry.meta ? volume.layout.superblock_sector
                                                      : base::Sector{volume.layout.usable_sectors};
    volume.disk = std::make_unique<SimDisk>(world_, node_, geometry, metadata_start);
    volumes_.push_back(std::move(volume));
}

void Host::grow_disk(std::size_t i, std::uint64_t size_bytes) {
    Volume& volume = volumes_.at(i);
    io::DiskGeometry geometry = volume.disk->geometry();
    REQUIRE(size_bytes >= geometry.size_bytes);
    if (!geometry.meta) {
        settle_layout(i);
        finish_move(volume);
        if (volume.new_layout) {
            return;  // its owner waits until the metadata have followed
        }
    }
    world_.trace.add(world_.now(), node_, "disk-grows volume bytes", i, size_bytes);
    volume.disk->grow(size_bytes);
    volume.has_grown = true;
    if (geometry.meta) {
        volume.layout.usable_sectors = size_bytes / base::kSectorBytes;
        return;
    }
    settle_layout(i);
    finish_move(volume);
    volume.old_layout = volume.layout;  // wherever the disk ended when they were written
    volume.new_layout = *meta::internal_layout(size_bytes, volume.al_stripes);
}

void Host::settle_layout(std::size_t i) {
    Volume& volume = volumes_.at(i);
    if (!volume.new_layout) {
        return;
    }
    volume.layout =
        read_superblock(*volume.disk, *volume.new_layout) ? *volume.new_layout : *volume.old_layout;
    std::vector<std::uint8_t> old_block(meta::kBlockBytes);
    volume.disk->peek_stable(volume.old_layout->superblock_sector, old_block);
    if (!meta::decode_superblock(old_block)) {
        finish_move(volume);  // the process has wiped the old place, the last thing of all
    }
}

void Host::forget_old_layout(std::size_t i) {
    settle_layout(i);
    finish_move(volumes_.at(i));
}

void Host::finish_move(Volume& volume) {
    if (volume.new_layout && volume.layout == *volume.new_layout) {
        volume.disk->set_metadata_start({volume.layout.usable_sectors});
        volume.old_layout.reset();
        volume.new_layout.reset();
    }
}

void Host::start(const engine::ResourceSettings& settings) {
    REQUIRE(engine_ == nullptr);
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
        forget_old_layout(i);
    }
    ++incarnation_;
    world_.trace.add(world_.now(), node_, "process-starts", incarnation_);
    const std::uint64_t seed = world_.prng.next();
    challenges_.emplace(~seed);
    engine_ = std::make_unique<engine::Engine>(settings, pool_, *this, *challenges_, seed);
    settings_ = settings;
    promises_.reset();
    if (judged) {
        promises_.emplace(
            world_, node_, volumes_.size(), [this](std::size_t volume) { return side_of(volume); });
    }
    net_.process_started(node_, *this);
    if (!powered_) {
        powered_ = true;
        net_.power_restored(node_);
    }
}

std::optional<Promises::Side> Host::side_of(std::size_t number) const {
    const Volume& volume = volumes_.at(number);
    if (!running() || !volume.attached || number >= settings_.volumes.size()) {
        return std::nullopt;
    }
    const engine::DiskSettings& disk = settings_.volumes[number].disk;
    return Promises::Side{volume.disk.get(),
                          volume.layout.superblock_sector,
                          status().volumes.at(number).state,
                          disk.disk_flushes,
                          disk.md_flushes};
}

void Host::process_gone() {
    ++incarnation_;
    if (tick_) {
        world_.cancel(*tick_);
        tick_.reset();
    }
    tick_at_ = io::kNever;
    effects_until_crash_.reset();
    waiting_.clear();
    if (std::exchange(frozen_, false)) {
        net_.set_frozen(node_, false);
    }
    engine_.reset();
    for (Volume& volume : volumes_) {
        volume.attached = false;
    }
    observer_.on_process_gone(node_);
}

void Host::kill() {
    if (!running()) {
        return;
    }
    world_.trace.add(world_.now(), node_, "killed");
    world_.coverage.reached("process killed");
    for (Volume& volume : volumes_) {
        volume.disk->lose_process();
    }
    net_.process_died(node_);
    process_gone();
}

void Host::power_cut(const PowerCut& cut) {
    if (!powered_) {
        return;
    }
    world_.trace.add(world_.now(), node_, "power-cut");
    world_.coverage.reached("power cut");
    for (Volume& volume : volumes_) {
        volume.disk->lose_power(cut);
    }
    net_.power_lost(node_);
    powered_ = false;
    process_gone();
}

void Host::crash_after_effects(std::uint64_t effects, std::optional<PowerCut> cut) {
    effects_until_crash_ = effects;
    crash_cut_ = cut;
}

void Host::freeze() {
    if (running() && !frozen_) {
        world_.trace.add(world_.now(), node_, "frozen");
        world_.coverage.reached("process frozen");
        frozen_ = true;
        net_.set_frozen(node_, true);
    }
}

void Host::thaw() {
    if (!frozen_) {
        return;
    }
    world_.trace.add(world_.now(), node_, "thawed");
    frozen_ = false;
    const std::uint64_t incarnation = incarnation_;
    for (const auto& happened : std::exchange(waiting_, {})) {
        if (incarnation_ == incarnation) {
            happened();
        }
    }
    net_.set_frozen(node_, false);
}

void Host::open_disk(std::size_t i) {
    Volume& volume = volumes_.at(i);
    volume.attached = true;
    volume.unheard_answers = 0;
    const std::uint64_t opening = ++volume.openings;
    volume.disk->open([this, i, opening](io::IoId id, int error) {
        if (frozen_) {
            ++volumes_.at(i).unheard_answers;
            waiting_.emplace_back([=, this] { hear_disk(i, opening, id, error); });
            return;
        }
        on_disk_done(i, id, error);
    });
}

// What a disk has answered while the process stood still. As in the runtime, nobody hears what a
// disk says that has been given up since.
void Host::hear_disk(std::size_t i, std::uint64_t opening, io::IoId id, int error) {
    Volume& volume = volumes_.at(i);
    if (!volume.attached || volume.openings != opening) {
        return;
    }
    --volume.unheard_answers;
    on_disk_done(i, id, error);
}

void Host::on_disk_done(std::size_t i, io::IoId id, int error) {
    if (promises_) {
        promises_->disk_done(i);
    }
    step(engine::DiskDone{engine::VolumeNumber{static_cast<std::uint16_t>(i)}, id, error});
}

void Host::admin(engine::AdminId id, engine::AdminCommand command) {
    if (frozen_) {
        waiting_.emplace_back([this, id, command] { admin(id, command); });
        return;
    }
    if (const auto* attach = std::get_if<engine::Attach>(&command)) {
        // As the runtime: one disk at a time, and none that still works for the one before.
        const Volume& volume = volumes_.at(attach->volume.value);
        if (running() && (volume.attached || volume.disk->outstanding() != 0)) {
            observer_.on_admin_done(node_, {id, volume.attached ? 124 : 114, "in use"});
            return;
        }
        open_disk(attach->volume.value);
    }
    step(engine::Admin{id, std::move(command)});
}

void Host::on_socket_event(engine::Event event) {
    step(std::move(event));
}

void Host::trace_event(const engine::Event& event) {
    const auto add = [this](const char* what,
                            std::uint64_t a = 0,
                            std::uint64_t b = 0,
                            std::uint64_t c = 0,
                            std::uint64_t d = 0) {
        world_.trace.add(world_.now(), node_, what, a, b, c, d);
    };
    const Overloaded handle{
        [&](const engine::AppRequest& e) {
            add("> app id op sector bytes",
                e.id.value,
                static_cast<std::uint64_t>(e.op),
                e.sector.value,
                e.length);
        },
        [&](const engine::DiskDone& e) {
            add("> disk-done volume id error",
                e.volume.value,
                e.id.value,
                static_cast<std::uint64_t>(e.error));
        },
        [&](const engine::DiskMeasured& e) {
            add("> disk-measured volume bytes", e.volume.value, e.geometry.size_bytes);
        },
        [&](const engine::SocketConnected& e) { add("> connected", e.socket.value); },
        [&](const engine::SocketAccepted& e) { add("> accepted", e.socket.value); },
        [&](const engine::SocketClosed& e) {
            add("> closed socket error", e.socket.value, static_cast<std::uint64_t>(e.error));
        },
        [&](const engine::ListenFailed&) { add("> listen-failed"); },
        [&](const engine::PacketArrived& e) {
            traps_.arrived(e.packet.header, e.packet.body);
            add(proto::command_name(e.packet.header.command));
            add("> packet socket volume payload digest",
                e.socket.value,
                e.packet.header.volume,
                e.packet.payload.length,
                digest(e.packet.body));
        },
        [&](const engine::StreamBroken& e) { add("> stream-broken", e.socket.value); },
        [&](const engine::SocketWritten& e) {
            add("> written socket total", e.socket.value, e.bytes_total);
        },
        [&](const engine::Admin& e) { add("> admin id command", e.id.value, e.command.index()); },
        [&](const engine::HandlerDone& e) {
            add("> handler-done code", static_cast<std::uint64_t>(e.exit_code));
        },
        [&](const engine::ResyncTurn& e) {
            add("> resync-turn volume waits", e.volume.value, e.waits ? 1 : 0);
        },
        [&](const engine::Tick&) { add("> tick"); },
    };
    std::visit(handle, event);
}

void Host::watch(const engine::Event& event) {
    if (!promises_) {
        return;
    }
    if (const auto* arrived = std::get_if<engine::PacketArrived>(&event)) {
        promises_->arrived(arrived->packet);
    }
    const auto* request = std::get_if<engine::AppRequest>(&event);
    if (request != nullptr && (request->op == engine::AppRequest::Op::Discard ||
                               request->op == engine::AppRequest::Op::WriteZeroes)) {
        promises_->zeroed(request->volume.value, request->sector, request->length);
    }
}

void Host::step(engine::Event event) {
    if (!running() || world_.failed()) {
        return;
    }
    if (frozen_) {
        waiting_.emplace_back([this, event = std::move(event)] { step(event); });
        return;
    }
    REQUIRE(!stepping_);
    if (busy_since_ != world_.now()) {
        busy_since_ = world_.now();
        steps_at_once_ = 0;
    } else if (++steps_at_once_ > kMaxStepsAtOneInstant) {
        return world_.fail("the engine spins: endless work without time passing");
    }
    trace_event(event);
    watch(event);
    engine::Effects effects;
    stepping_ = true;
    engine_->step(world_.now(), std::move(event), effects);
    stepping_ = false;
    check_step();
    carry_out(effects);
    if (running()) {
        schedule_tick();
        observer_.on_step_done(node_);
    }
}

// What must be true of any step, whatever it was.
void Host::check_step() {
    most_work_ = std::max(most_work_, engine_->last_step_work());
    if (engine_->last_step_work() > kMaxStepWork) {
        world_.fail(base::format("a step that cost %llu operations",
                                 static_cast<unsigned long long>(engine_->last_step_work())));
    }
    if (engine_->next_deadline() <= world_.now()) {
        world_.fail(base::format(
            "the next deadline is not in the future, but %lld ns ago",
            static_cast<long long>((world_.now() - engine_->next_deadline()).count())));
    }
}

class Host::Doer {
public:
    explicit Doer(Host& host) : host_(host) {}

    void operator()(engine::SubmitDisk& e) {
        trace("< disk volume id kind.area.fua sector",
              e.volume.value,
              e.op.id.value,
              static_cast<std::uint64_t>(e.op.kind) * 256 +
                  static_cast<std::uint64_t>(e.op.area) * 16 + (e.op.fua ? 1 : 0),
              e.op.sector.value);
        Volume& volume = host_.volumes_.at(e.volume.value);
        if (!volume.attached) {
            return host_.world_.fail("disk operation after CloseDisk");
        }
        host_.settle_layout(e.volume.value);
        volume.disk->submit(e.op);
    }

    void operator()(engine::CloseDisk& e) {
        trace("< close-disk", e.volume.value);
        Volume& volume = host_.volumes_.at(e.volume.value);
        if (!volume.attached || volume.disk->outstanding() + volume.unheard_answers != 0) {
            host_.world_.fail("CloseDisk of a closed disk, or with operations outstanding");
        }
        volume.attached = false;
        volume.disk->close();
    }

    void operator()(engine::AbandonDisk& e) {
        trace("< abandon-disk", e.volume.value);
        Volume& volume = host_.volumes_.at(e.volume.value);
        if (!volume.attached || volume.disk->outstanding() + volume.unheard_answers == 0) {
            host_.world_.fail("AbandonDisk of a disk that is closed or has nothing to do");
        }
        volume.attached = false;
        volume.disk->close();
    }

    // The system is asked: that takes a moment.
    void operator()(engine::MeasureDisk& e) {
        trace("< measure-disk", e.volume.value);
        Host& host = host_;
        const std::uint64_t asked_by = host.incarnation_;
        host.world_.after(host.world_.prng.below(20) * 1ms, [&host, asked_by, volume = e.volume] {
            const Volume& side = host.volumes_.at(volume.value);
            if (host.running() && host.incarnation_ == asked_by && side.attached) {
                host.step(engine::DiskMeasured{volume, side.disk->geometry()});
            }
        });
    }

    void operator()(engine::CompleteApp& e) {
        trace("< app-done id error", e.id.value, static_cast<std::uint64_t>(e.error));
        host_.observer_.on_app_done(host_.node_, e);
    }

    void operator()(engine::StartListening&) {
        trace("< listen");
        if (host_.fail_listen || host_.no_address) {
            fail(engine::ListenFailed{"cannot listen", !host_.fail_listen});
            return;
        }
        host_.net_.listen(host_.node_);
    }

    void operator()(engine::StopListening&) {
        trace("< stop-listening");
        host_.net_.stop_listening(host_.node_);
    }

    void operator()(engine::Connect& e) {
        trace("< connect", e.socket.value);
        if (host_.no_address) {
            fail(engine::SocketClosed{e.socket, EADDRNOTAVAIL});
            return;
        }
        host_.net_.connect(host_.node_, e.socket);
    }

    void operator()(engine::CloseSocket& e) {
        trace("< close-socket socket after-sending", e.socket.value, e.after_sending ? 1 : 0);
        host_.net_.close(host_.node_, e.socket, e.after_sending);
    }

    void operator()(engine::PauseReading& e) {
        trace("< pause-reading socket paused", e.socket.value, e.paused ? 1 : 0);
        host_.world_.coverage.reached("paused reading");
        host_.net_.pause_reading(host_.node_, e.socket, e.paused);
    }

    void operator()(engine::Send& e) {
        trace_send(e);
        host_.net_.send(host_.node_, std::move(e));
    }

    void operator()(engine::AdminDone& e) {
        trace("< admin-done id code", e.id.value, static_cast<std::uint64_t>(e.code));
        host_.observer_.on_admin_done(host_.node_, e);
    }

    void operator()(engine::AdminStillRunning& e) {
        trace("< admin-still-running id", e.id.value);
        host_.observer_.on_admin_still_running(host_.node_, e);
    }

    void operator()(engine::RunHandler& e) {
        host_.world_.trace.text(host_.world_.now(), host_.node_, "< handler " + e.name);
        host_.handlers_.push_back(e.name);
        host_.observer_.on_handler(host_.node_, e);
    }

    void operator()(engine::SettingsAdopted&) { trace("< settings-adopted"); }

    void operator()(engine::VolumeChanged&) {}

    void operator()(engine::StatusChanged&) {}

private:
    void fail(engine::Event event) {
        host_.world_.after(
            1us, [&host = host_, incarnation = host_.incarnation_, event = std::move(event)] {
                if (host.incarnation_ == incarnation) {
                    host.step(event);
                }
            });
    }

    void trace(const char* what,
               std::uint64_t a = 0,
               std::uint64_t b = 0,
               std::uint64_t c = 0,
               std::uint64_t d = 0) {
        host_.world_.trace.add(host_.world_.now(), host_.node_, what, a, b, c, d);
    }

    void trace_send(const engine::Send& e) {
        const auto kind = proto::header_kind(base::ConstBytes(e.head).first(4));
        if (!kind) {
            return host_.world_.fail("a packet without a header was sent");
        }
        const auto header =
            proto::decode_header(base::ConstBytes(e.head).first(proto::header_size(*kind)));
        if (!header ||
            header->length + proto::header_size(*kind) != e.head.size() + e.payload.length) {
            return host_.world_.fail("a packet with a wrong header was sent");
        }
        if (header->command == static_cast<std::uint16_t>(proto::Command::Protocol)) {
            host_.data_socket_ = e.socket;
        }
        trace(proto::command_name(header->command));
        host_.world_.coverage.packet_sent(proto::command_name(header->command));
        trace("< send socket volume payload digest",
              e.socket.value,
              header->volume,
              e.payload.length,
              digest(e.head));
        const base::ConstBytes body = base::ConstBytes(e.head).subspan(proto::header_size(*kind));
        if (const char* trap = host_.traps_.sent(*header, body, e.payload.length)) {
            host_.world_.fail(trap);
        }
        if (host_.promises_) {
            host_.promises_->sent(*header, body);
        }
    }

    Host& host_;
};

bool Host::crash_is_due() {
    if (!effects_until_crash_ || (*effects_until_crash_)-- != 0) {
        return false;
    }
    if (crash_cut_) {
        power_cut(*crash_cut_);
    } else {
        kill();
    }
    return true;
}

void Host::carry_out(engine::Effects& effects) {
    Doer doer(*this);
    for (engine::Effect& effect : effects.list()) {
        if (crash_is_due() || world_.failed()) {
            return;
        }
        ++effects_done_;
        std::visit(doer, effect);
    }
}

void Host::schedule_tick() {
    const io::Instant wanted = engine_->next_deadline();
    if (wanted == tick_at_) {
        return;
    }
    if (tick_) {
        world_.cancel(*tick_);
        tick_.reset();
    }
    tick_at_ = wanted;
    if (wanted == io::kNever) {
        return;
    }
    tick_ = world_.at(wanted, [this] {
        tick_.reset();
        tick_at_ = io::kNever;
        step(engine::Tick{});
    });
}

bool Host::logged(std::string_view part) const {
    return std::any_of(log_.begin(), log_.end(), [part](const std::string& line) {
        return line.find(part) != std::string::npos;
    });
}

void Host::write(base::LogLevel, std::string_view line) {
    log_.emplace_back(line);
    world_.coverage.log_line(line);
    world_.trace.text(world_.now(), node_, line);
}

bool Host::has_volume(std::size_t number) const {
    const engine::ResourceStatus status = engine_->status(world_.now());
    return std::any_of(status.volumes.begin(), status.volumes.end(), [number](const auto& volume) {
        return volume.number.value == number;
    });
}

engine::ResourceStatus Host::status() const {
    engine::ResourceStatus status = engine_->status(world_.now());
    for (std::size_t i = 0; i < volume_count(); ++i) {
        const auto number = static_cast<std::uint16_t>(i);
        if (i >= status.volumes.size() || status.volumes[i].number.value != number) {
            engine::VolumeStatus missing;
            missing.number = {number};
            status.volumes.insert(status.volumes.begin() + static_cast<std::ptrdiff_t>(i), missing);
        }
    }
    return status;
}

}  // namespace sim
