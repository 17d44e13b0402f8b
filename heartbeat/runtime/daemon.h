// The failover daemon's loop: one thread, one engine. What happens in the world becomes an event of
// the engine, what the engine wants is done here. This class has no opinion: it never asks who is
// dead or who holds what.
#pragma once

#include "base/result.h"
#include "heartbeat/agents/address_guard.h"
#include "heartbeat/agents/agent_runner.h"
#include "heartbeat/agents/probes.h"
#include "heartbeat/engine/engine.h"
#include "heartbeat/engine/heartbeat.h"
#include "heartbeat/runtime/alarms.h"
#include "heartbeat/runtime/boot_timer.h"
#include "heartbeat/runtime/client_programs.h"
#include "heartbeat/runtime/configuration.h"
#include "heartbeat/runtime/control_server.h"
#include "heartbeat/runtime/fencer.h"
#include "heartbeat/runtime/fifo.h"
#include "heartbeat/runtime/heard_file.h"
#include "heartbeat/runtime/life_file.h"
#include "heartbeat/runtime/log_writer.h"
#include "heartbeat/runtime/medium.h"
#include "heartbeat/runtime/packet_counters.h"
#include "heartbeat/runtime/pinger.h"
#include "heartbeat/runtime/probe_schedule.h"
#include "heartbeat/runtime/programs.h"
#include "heartbeat/runtime/rc_scripts.h"
#include "heartbeat/runtime/storage.h"
#include "heartbeat/runtime/watchdog.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hb {

struct DaemonOptions {
    std::string ha_dir = "/etc/ha.d";
    std::string run_dir = "/run/drbdd";
    std::string state_dir = "/var/lib/heartbeat";
    std::string tool_dir;   // where our programs are; put in front of the PATH of children
    std::string agent_dir;  // our own resource agents
    std::string version;    // for status
    std::string node;       // as given on the command line; empty: the machine's
    bool manage_resources = true;
    int watchdog = -1;  // open already, by the process that we were before exec()
    std::vector<RunningAgent> earlier_agents;  // of Start::agents
    // Both used before this process is replaced by a new one that keeps the resources. Whether the
    // new one would come up, with the files as they are now; and what a life of this process begins
    // with, should it not.
    std::function<base::Result<void>()> try_successor;
    std::function<Start(Hold)> new_life;
};

// The environment of agents.
std::vector<std::string> agent_variables(const DaemonOptions& options,
                                         const Configuration& configuration,
                                         int debug,
                                         const std::string& own_status,
                                         const std::string& partner);

class Daemon : private MediumEvents {
public:
    // Why run() returned, and what is left to do for the caller.
    struct Ending {
        enum class Kind { Exit, Restart, Reboot };

        Kind kind = Kind::Exit;
        Hold hold = Hold::none;  // of Restart
        std::string why;         // of Reboot
        int watchdog = -1;       // of Restart: stays open until the new process serves
    };

    // `log` outlives the daemon.
    Daemon(DaemonOptions options,
           Configuration configuration,
           Start start,
           std::optional<FencingDevice> fencing,
           LogWriter& log);
    ~Daemon() override;
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Opens what a daemon cannot do without (FIFO, control socket) and the media, which may fail.
    base::Result<void> start();
    Ending run();

private:
    struct Path {
        std::unique_ptr<Medium> medium;
        bool up = false;
        std::string why;
    };

    struct WaitingCommand {
        ControlServer::Answer answer;
        bool wait = false;
    };

    struct ClientQuestion {
        std::string node;
        std::string name;
        ControlServer::Answer answer;
        std::unique_ptr<boost::asio::steady_timer> limit;
    };

    // daemon.cpp: the loop
    void make_media();
    void step(Event::What what);
    void post(Event::What what);
    void arm();
    void on_time();
    void wait_for_signal();
    void on_signal(int signal);
    bool on_bytes(const Medium& medium, std::string_view bytes) override;
    void on_flood(const Medium& medium, const std::string& what) override;
    void on_medium_down(const Medium& medium, const std::string& why) override;
    void on_medium_up(const Medium& medium) override;
    void on_ping_answer(const std::string& node, std::string_view data);
    void on_local_block(const std::string& block);
    void note_refusal(std::size_t monitor, const ProbeResult& result);
    void end(Ending ending);
    void answer_all_who_wait(const std::string& why);

    // daemon_effects.cpp: what the engine wants
    void perform(Send& effect);
    void perform(SendPing& effect);
    void perform(RunAgent& effect);
    void perform(KillAgent& effect);
    void perform(Fence& effect);
    void perform(CancelFence& effect);
    void perform(SuspectPartner& effect);
    void perform(CutReplication& effect);
    void perform(RunOutdate& effect);
    void perform(OutdateAnswer& effect);
    void perform(Alarm& effect);
    void perform(Announce& effect);
    void perform(StartProbe& effect);
    void perform(StopProbe& effect);
    void perform(StartClient& effect);
    void perform(StopClients& effect);
    void perform(TickleWatchdog& effect);
    void perform(CloseWatchdog& effect);
    void perform(Log& effect);
    void perform(Decision& effect);
    void perform(CommandDone& effect);
    void perform(RunRcScript& effect);
    void perform(Restart& effect);
    void perform(Exit& effect);
    void perform(Reboot& effect);
    void refresh_environment();
    std::vector<std::string> environment(const std::string& own_status,
                                         const std::string& partner) const;

    // daemon_control.cpp: what the tools ask
    void on_request(const control::Request& request, ControlServer::Answer answer);
    void on_command(const control::Request& request,
                    Command::Verb verb,
                    const std::string& arg,
                    ControlServer::Answer answer);
    void on_reset_confirmed(const control::Request& request, ControlServer::Answer answer);
    void on_parameter(const control::Request& request, const ControlServer::Answer& answer);
    void on_client_status(const control::Request& request, ControlServer::Answer answer);
    void on_client_answer(const wire::Message& message);
    void on_outdate(const control::Request& request, ControlServer::Answer answer);
    control::Status status() const;
    // Reads the files again. The text says what was done; exit 6: they are wrong and not used.
    control::Reply reload(bool may_restart);

    // daemon_lives.cpp: from one configuration or life to the next
    control::Reply refuse_reload(const std::vector<std::string>& errors);
    std::string take_in(Configuration& fresh, std::optional<FencingDevice> device);
    void use_resources_in_force();
    void restart_when_idle();
    void on_restart_answered(const CommandDone& answer);
    void live_on(Hold hold);
    void adopt_agents();
    AgentWatch watch(const RunAgent& effect);
    void on_agent_ended(JobId job);
    void note_life(const wire::Message& sent);
    void write_life();

    const DaemonOptions options_;
    Configuration configuration_;
    LogWriter& log_;
    boost::asio::io_context io_{1};
    Engine engine_;
    BootTimer timer_;
    boost::asio::signal_set signals_;
    std::vector<Path> paths_;
    bool any_text_ = false;  // a medium wants the text form
    AgentRunner agents_;
    AddressGuard addresses_;
    ProbeRunner probes_;
    ProbeSchedule probe_schedule_;
    std::set<std::size_t> refused_;  // monitors whose refusal is in the log
    Programs programs_;
    RcScripts rc_scripts_;
    Alarms alarms_;
    Storage storage_;
    ClientPrograms clients_;
    Fencer fencer_;
    Watchdog watchdog_;
    PacketCounters counters_;
    Pinger pinger_;
    Fifo fifo_;
    std::map<CommandId, WaitingCommand> commands_;
    std::map<std::uint64_t, ControlServer::Answer> outdates_;
    std::map<std::uint64_t, ClientQuestion> questions_;
    CommandId restart_ = 0;  // the restart that the files ask for, until it is done; 0: none
    boost::asio::steady_timer restart_again_;
    std::optional<config::Haresources> promised_;  // read anew; the engine may have to wait
    LifeFile life_file_;
    Life life_;
    HeardFile heard_;
    std::uint64_t next_id_ = 1;  // of commands, outdate requests and questions
    std::string own_status_;
    std::string partner_;  // as the environment of children has it
    const Time started_;
    bool ended_ = false;
    Ending ending_;
    ControlServer control_;
};

// Monotonic, and goes on while the machine is suspended.
Time now();

Settings settings_of(const Configuration& configuration, const DaemonOptions& options);

}  // namespace hb
