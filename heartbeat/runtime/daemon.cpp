#include "heartbeat/runtime/daemon.h"

#include "heartbeat/runtime/disk_medium.h"
#include "heartbeat/runtime/serial_medium.h"
#include "heartbeat/runtime/udp_medium.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <utility>

namespace hb {

namespace {

AgentPaths agent_paths(const DaemonOptions& options) {
    AgentPaths paths;
    paths.ha_dir = options.ha_dir;
    paths.own_dir = options.agent_dir;
    return paths;
}

std::optional<std::size_t> slot_of(const std::vector<std::string>& nodes, const std::string& node) {
    const auto found = std::find(nodes.begin(), nodes.end(), node);
    if (found == nodes.end()) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - nodes.begin());
}

}  // namespace

Settings settings_of(const Configuration& configuration, const DaemonOptions& options) {
    Settings settings = configuration.settings;
    if (!options.manage_resources) {
        settings.resources = {};
    }
    return settings;
}

// The partner's clock goes on while this machine is suspended; what we know of its silence, and of
// ours, must be counted by one that does, too.
Time now() {
    return boot_time();
}

Daemon::Daemon(DaemonOptions options,
               Configuration configuration,
               Start start,
               std::optional<FencingDevice> fencing,
               LogWriter& log)
    : options_(std::move(options)),
      configuration_(std::move(configuration)),
      log_(log),
      engine_(settings_of(configuration_, options_), start),
      timer_(io_, [this] { on_time(); }),
      signals_(io_, SIGTERM, SIGHUP, SIGUSR1),
      agents_(io_, agent_paths(options_), environment("init", ""), log),
      addresses_(io_,
                 log,
                 [this](const std::string& ip, const std::string& mac) {
                     post(AddressConflict{ip, mac});
                 }),
      probes_(io_, agents_, environment("init", "")),
      probe_schedule_(io_,
                      probes_,
                      [this](std::size_t monitor, const ProbeResult& result) {
                          note_refusal(monitor, result);
                          step(ProbeDone{monitor, result.ok, result.text});
                      }),
      programs_(agents_.children(), environment("init", "")),
      rc_scripts_(options_.ha_dir, programs_, log),
      alarms_(configuration_.settings.policy.alarms, configuration_.settings.node, programs_, log),
      storage_(programs_),
      clients_(
          configuration_.settings.ha_cf.respawn,
          programs_,
          [this](std::size_t index, int code) {
              step(ClientExited{index, code});
          },
          log),
      fencer_(std::move(fencing), options_.run_dir, programs_, log),
      watchdog_(configuration_.settings.ha_cf.watchdog,
                watchdog_timeout(configuration_.settings.ha_cf.deadtime),
                options_.watchdog,
                log),
      counters_(true, log),
      pinger_(
          io_,
          configuration_.settings.ha_cf.pings,
          [this](const std::string& node, std::string_view data) { on_ping_answer(node, data); },
          log),
      fifo_(io_,
            options_.state_dir + "/fifo",
            [this](const std::string& block) { on_local_block(block); }),
      restart_again_(io_),
      life_file_(options_.run_dir),
      heard_(options_.state_dir),
      started_(now()),
      control_(io_,
               options_.run_dir + "/" + control::kSocketName,
               [this](const control::Request& request, ControlServer::Answer answer) {
                   on_request(request, std::move(answer));
               }) {
    signals_.add(SIGUSR2);
    life_.boot = boot_id();
    life_.node = configuration_.settings.node;
    life_.generation = start.generation;
    adopt_agents();
    make_media();
}

Daemon::~Daemon() = default;

void Daemon::make_media() {
    const config::HaCf& conf = configuration_.settings.ha_cf;
    MediumEvents& events = *this;
    for (const config::HaMedium& medium : conf.media) {
        std::unique_ptr<Medium> made;
        if (const auto* serial = std::get_if<config::HaSerial>(&medium)) {
            made = std::make_unique<SerialMedium>(io_, *serial, events);
            any_text_ = true;
        } else if (const auto* ucast = std::get_if<config::HaUcast>(&medium)) {
            made = std::make_unique<UdpMedium>(io_, *ucast, events);
        } else if (const auto* bcast = std::get_if<config::HaBcast>(&medium)) {
            made = std::make_unique<UdpMedium>(io_, *bcast, events);
        } else {
            made = std::make_unique<UdpMedium>(io_, std::get<config::HaMcast>(medium), events);
        }
        paths_.push_back({std::move(made), false, "not yet open"});
    }
    const auto slot = slot_of(conf.nodes, configuration_.settings.node);
    if (const auto& disk = configuration_.settings.policy.disk_heartbeat; disk && slot) {
        DiskMediumOptions disk_options{
            *disk, *slot, conf.nodes.size(), conf.keepalive, conf.deadtime};
        paths_.push_back(
            {std::make_unique<DiskMedium>(io_, disk_options, events), false, "not yet open"});
    }
}

base::Result<void> Daemon::start() {
    if (auto good = fifo_.start(); !good) {
        return good;
    }
    if (auto good = control_.start(); !good) {
        return good;
    }
    for (Path& path : paths_) {
        path.medium->start();
    }
    pinger_.start();
    addresses_.watch(service_addresses(configuration_.settings.resources));
    wait_for_signal();
    return {};
}

Daemon::Ending Daemon::run() {
    boost::asio::post(io_, [this] { step(Started{}); });
    io_.run();
    const bool exits = ending_.kind == Ending::Kind::Exit;
    const bool restarts = ending_.kind == Ending::Kind::Restart;
    if (exits || (restarts && ending_.hold == Hold::none)) {
        life_file_.remove();  // everything has been stopped: the next life owes nothing
    } else if (restarts) {
        write_life();
    }
    if (exits) {
        heard_.close();
    }
    return ending_;
}

void Daemon::end(Ending ending) {
    ending_ = std::move(ending);
    ended_ = true;
    answer_all_who_wait(ending_.kind == Ending::Kind::Restart ? "the daemon restarts"
                                                              : "the daemon has ended");
    io_.stop();
}

// What the engine has not answered by now it never will.
void Daemon::answer_all_who_wait(const std::string& why) {
    control::Reply reply;
    reply.exit = control::kExitRefused;
    reply.text = why;
    for (auto& [id, command] : std::exchange(commands_, {})) {
        command.answer(reply);
    }
    for (auto& [id, question] : std::exchange(questions_, {})) {
        question.answer(reply);
    }
    reply.exit = control::kOutdateUnreachable;
    for (auto& [id, answer] : std::exchange(outdates_, {})) {
        answer(reply);
    }
}

void Daemon::step(Event::What what) {
    if (ended_) {
        return;
    }
    Effects effects;
    engine_.step({now(), std::time(nullptr), std::move(what)}, effects);
    for (Effect& effect : effects.list()) {
        std::visit([this](auto& it) { perform(it); }, effect);
    }
    use_resources_in_force();
    arm();
}

void Daemon::post(Event::What what) {
    boost::asio::post(io_, [this, what = std::move(what)]() mutable { step(std::move(what)); });
}

void Daemon::arm() {
    const auto wakeup = engine_.next_wakeup();
    if (!wakeup || ended_) {
        timer_.clear();
        return;
    }
    timer_.set(*wakeup);
}

// When the machine was busy and we are late, the partner's heartbeats are in the sockets: they are
// heard before the engine looks who is silent.
void Daemon::on_time() {
    for (Path& path : paths_) {
        path.medium->poll();
    }
    step(Tick{});
}

void Daemon::wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& stopped, int signal) {
        if (!stopped) {
            on_signal(signal);
            wait_for_signal();
        }
    });
}

void Daemon::on_signal(int signal) {
    switch (signal) {
        case SIGTERM:
            log_.write(base::LogLevel::Info, "SIGTERM: shutting down");
            step(Command{next_id_++, Command::Verb::shutdown, ""});
            return;
        case SIGHUP:
            reload(true);
            return;
        default:
            log_.set_debug(std::clamp(log_.debug() + (signal == SIGUSR1 ? 1 : -1), 0, 255));
            log_.write(base::LogLevel::Info, base::format("Debug level is now %d", log_.debug()));
    }
}

bool Daemon::on_bytes(const Medium& medium, std::string_view bytes) {
    auto message = wire::decode(bytes, configuration_.keys);
    if (!message) {
        counters_.refused(medium.description(), message.error(), now());
        return false;
    }
    counters_.received();
    on_client_answer(*message);
    step(Received{medium.name(), std::move(*message)});
    return true;
}

void Daemon::on_flood(const Medium& medium, const std::string& what) {
    log_.write(base::LogLevel::Warning, medium.description() + ": " + what);
}

// The signature was ours: a reply that carries another node's name is a forgery or a mix-up.
void Daemon::on_ping_answer(const std::string& node, std::string_view data) {
    auto message = wire::decode(data, configuration_.keys);
    if (message && message->get("src") != node) {
        message = base::Error{base::ErrorCode::Invalid, "an echo that speaks for another node"};
    }
    if (!message) {
        counters_.refused("ping " + node, message.error(), now());
        return;
    }
    step(Received{node, std::move(*message)});
}

void Daemon::on_medium_down(const Medium& medium, const std::string& why) {
    for (Path& path : paths_) {
        if (path.medium.get() == &medium) {
            path.up = false;
            path.why = why;
        }
    }
    log_.write(base::LogLevel::Error, why);
    post(MediumDown{medium.name(), why});
}

void Daemon::on_medium_up(const Medium& medium) {
    for (Path& path : paths_) {
        if (path.medium.get() == &medium) {
            path.up = true;
            path.why.clear();
        }
    }
    log_.write(base::LogLevel::Info, medium.description() + ": open");
    post(MediumUp{medium.name()});
}

// Told once: the probe comes every few seconds.
void Daemon::note_refusal(std::size_t monitor, const ProbeResult& result) {
    if (!result.refused) {
        refused_.erase(monitor);
    } else if (refused_.insert(monitor).second) {
        log_.write(
            base::LogLevel::Warning,
            "a monitor of ha_policy.cf learns no more than that the server lives: " + result.text);
    }
}

void Daemon::on_local_block(const std::string& block) {
    auto message = wire::decode_local(block);
    if (!message) {
        counters_.refused("the local FIFO", message.error(), now());
        return;
    }
    step(LocalMessage{std::move(*message)});
}

}  // namespace hb
