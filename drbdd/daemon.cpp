#include "drbdd/daemon.h"

#include "drbdd/runtime/resync_order.h"
#include "drbdd/runtime/settings_in_force.h"
#include "drbdd/status_view.h"
#include "drbdd/steps.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

namespace drbdd {

namespace err = control::err;

namespace {

control::Outcome failed(int code, const std::string& detail = {}) {
    control::Outcome outcome;
    outcome.code = code;
    outcome.text = control::error_text(code);
    if (!detail.empty()) {
        outcome.text += (outcome.text.empty() ? "" : "\n") + detail;
    }
    return outcome;
}

// The number's own words come first, as drbdsetup prints them; the engine's and the runtime's
// follow where they say more.
std::string full_text(int code, const std::string& detail) {
    const std::string words(control::error_text(code));
    if (words.empty() || detail.rfind(words, 0) == 0) {
        return detail;
    }
    return detail.empty() ? words : words + "\n" + detail;
}

control::Outcome outcome_of(const runtime::AdminReply& reply) {
    control::Outcome outcome;
    outcome.code = reply.code;
    outcome.text = reply.code == 0 ? reply.text : full_text(reply.code, reply.text);
    if (reply.still_running) {
        outcome.data["still-running"] = true;
    }
    return outcome;
}

bool has_volume(const config::ResourceSettings& settings, std::uint16_t number) {
    return std::any_of(settings.volumes.begin(), settings.volumes.end(), [&](const auto& volume) {
        return volume.number == number;
    });
}

bool has_same_volume(const config::ResourceSettings& settings,
                     const config::VolumeSettings& volume) {
    return std::any_of(settings.volumes.begin(), settings.volumes.end(), [&](const auto& other) {
        return other.number == volume.number && other.minor == volume.minor;
    });
}

// Of all volumes, or of one: then the connection may be there for others by now.
std::shared_ptr<Steps> steps_of_up(const config::ResourceSettings& settings,
                                   std::optional<std::uint16_t> only) {
    const auto steps = std::make_shared<Steps>();
    for (const config::VolumeSettings& volume : settings.volumes) {
        if (only && *only != volume.number) {
            continue;
        }
        steps->add(0,
                   std::to_string(volume.minor),
                   [number = engine::VolumeNumber{volume.number}](runtime::ResourceCore& core,
                                                                  runtime::AdminCallback done) {
                       core.attach(number, std::nullopt, std::move(done));
                   });
    }
    steps->add(1, settings.name, [only](runtime::ResourceCore& core, runtime::AdminCallback done) {
        core.connect(
            false, std::nullopt, [only, done = std::move(done)](runtime::AdminReply reply) {
                const bool no_news = only && reply.code == err::kLocalAddress;
                done(no_news ? runtime::AdminReply{} : std::move(reply));
            });
    });
    return steps;
}

}  // namespace

Daemon::Daemon(DaemonOptions options, base::LogSink& log, std::function<void()> on_quit)
    : options_(std::move(options)),
      log_(log),
      on_quit_(std::move(on_quit)),
      handlers_(log),
      server_(options_.admin, *this, log),
      surroundings_{log,
                    handlers_,
                    challenges_,
                    make_frontends(options_.places, options_.frontends, log),
                    [this](const runtime::SnapshotPtr& snapshot) {
                        server_.update(snapshot->status.name, status_view(*snapshot));
                        if (resyncs_have_an_order_ || runtime::follows_another(*snapshot)) {
                            server_.post([this] { settle_resync_order(); });
                        }
                    },
                    [this](const runtime::HandlerEvent& event) {
                        server_.update_handler(
                            event.resource, event.volume.value, event.name, event.status);
                    },
                    options_.any_peer_address} {
}

Daemon::~Daemon() {
    server_.stop();
    resources_.clear();
    for (std::shared_ptr<runtime::ResourceThread>& thread : lingering_) {
        // Only the end of the process gets rid of these.
        new std::shared_ptr<runtime::ResourceThread>(std::move(thread));
    }
}

base::Result<void> Daemon::start() {
    remove_stale_nodes(options_.places, log_);
    return server_.start();
}

void Daemon::execute(const control::Request& request, Done done) {
    const auto found = resources_.find(request.resource);
    if (request.command == control::Command::Quit) {
        if (!request.force && !resources_.empty()) {
            done(failed(err::kResourceInUse, "still configured: " + resources_.begin()->first));
            return;
        }
        done({});
        on_quit_();
    } else if (request.command == control::Command::NewResource) {
        if (request.settings) {
            create(*request.settings, std::move(done));
        } else {
            done(failed(err::kInvalidRequest, "new-resource needs the settings of the resource"));
        }
    } else if (request.command == control::Command::Up) {
        if (request.settings) {
            up(*request.settings, request.volume, std::move(done));
        } else {
            done(failed(err::kInvalidRequest, "up needs the settings of the resource"));
        }
    } else if (found == resources_.end()) {
        done(failed(err::kResourceNotKnown));
    } else if (found->second.thread == nullptr ||
               (found->second.going_down && request.command != control::Command::Detach)) {
        // A down that waits for a disk which hangs is helped by a forced detach.
        done(failed(-18,
                    "the resource is just being " +
                        std::string(found->second.going_down ? "taken down" : "brought up")));
    } else if (request.command == control::Command::Down) {
        down(request.resource, std::move(done));
    } else if (request.command == control::Command::Show) {
        control::Outcome outcome;
        outcome.data = control::to_json(found->second.settings());
        done(std::move(outcome));
    } else {
        run_on(found->second, request, std::move(done));
    }
}

void Daemon::refresh(const std::string& resource, std::function<void()> done) {
    const auto waiting = std::make_shared<std::atomic<int>>(1);
    const auto one_less = [waiting, done = std::move(done)] {
        if (--*waiting == 0) {
            done();
        }
    };
    for (const auto& [name, entry] : resources_) {
        if (entry.thread != nullptr && (resource.empty() || resource == name)) {
            ++*waiting;
            entry.thread->post([one_less](runtime::ResourceCore& core) {
                core.publish();
                one_less();
            });
        }
    }
    one_less();
}

// Whatever has changed: all is looked at, and only who has to hear of it is told.
void Daemon::settle_resync_order() {
    std::vector<runtime::SnapshotPtr> snapshots;
    for (const auto& [name, entry] : resources_) {
        if (entry.thread != nullptr) {
            snapshots.push_back(entry.thread->snapshot());
        }
    }
    resyncs_have_an_order_ =
        std::any_of(snapshots.begin(), snapshots.end(), [](const runtime::SnapshotPtr& snapshot) {
            return runtime::follows_another(*snapshot);
        });
    for (const runtime::ResyncTurn& told : runtime::resync_turns(snapshots)) {
        resources_.at(told.resource).thread->post([turn = told.turn](runtime::ResourceCore& core) {
            core.on_event(turn);
        });
    }
}

// What is in force, which commands may have changed since the resource was brought up.
config::ResourceSettings Daemon::Entry::settings() const {
    return thread == nullptr ? first_settings : *thread->snapshot()->settings;
}

// --- up and down --------------------------------------------------------------------------------

control::Outcome Daemon::conflict(const config::ResourceSettings& settings) const {
    if (!config::processors_of(settings.cpu_mask)) {
        return failed(err::kCpuMask);
    }
    for (const auto& [name, entry] : resources_) {
        if (name == settings.name) {
            continue;
        }
        const config::ResourceSettings running = entry.settings();
        if (running.address == settings.address) {
            return failed(err::kLocalAddress,
                          config::to_string(settings.address) + " belongs to resource " + name);
        }
        for (const config::VolumeSettings& theirs : running.volumes) {
            for (const config::VolumeSettings& ours : settings.volumes) {
                if (theirs.minor == ours.minor) {
                    return failed(
                        err::kMinorOrVolumeExists,
                        base::format("minor %u belongs to resource %s", ours.minor, name.c_str()));
                }
            }
        }
    }
    return {};
}

void Daemon::create(const config::ResourceSettings& settings, Done done) {
    const auto found = resources_.find(settings.name);
    if (control::Outcome refused = conflict(settings); refused.code != 0) {
        done(std::move(refused));
    } else if (found == resources_.end()) {
        start_resource(settings, std::move(done));
    } else if (found->second.thread == nullptr || found->second.going_down) {
        done(failed(-18, "the resource is just being brought up or taken down"));
    } else {
        change_volumes(found->second, settings, std::move(done));
    }
}

// Of one that runs: those that are not wanted go first, since others may have their minors.
void Daemon::change_volumes(Entry& entry, const config::ResourceSettings& wanted, Done done) {
    const config::ResourceSettings running = entry.settings();
    const auto steps = std::make_shared<Steps>();
    for (const config::VolumeSettings& volume : running.volumes) {
        if (!has_same_volume(wanted, volume)) {
            steps->add(0,
                       std::to_string(volume.minor),
                       [number = engine::VolumeNumber{volume.number}](
                           runtime::ResourceCore& core, runtime::AdminCallback removed) {
                           core.remove_volume(number, std::move(removed));
                       });
        }
    }
    for (const config::VolumeSettings& volume : wanted.volumes) {
        if (!has_same_volume(running, volume)) {
            steps->add(1,
                       std::to_string(volume.minor),
                       [volume](runtime::ResourceCore& core, runtime::AdminCallback added) {
                           core.add_volume(volume, std::move(added));
                       });
        }
    }
    entry.thread->post([steps, done = std::move(done)](runtime::ResourceCore& core) {
        steps->run(core, [done](const std::vector<control::Failure>& failures) {
            done(failures.empty() ? control::Outcome()
                                  : outcome_of({failures.front().code, failures.front().text}));
        });
    });
}

void Daemon::up(const config::ResourceSettings& settings,
                std::optional<std::uint16_t> volume,
                Done done) {
    if (volume && !has_volume(settings, *volume)) {
        done(failed(err::kMinorInvalid));
        return;
    }
    if (control::Outcome refused = conflict(settings); refused.code != 0) {
        done(std::move(refused));
        return;
    }
    const auto bring_up = [settings, volume, done](runtime::ResourceCore& core) {
        steps_of_up(settings, volume)->run(core, [done](std::vector<control::Failure> failures) {
            control::Outcome outcome;
            for (control::Failure& failure : failures) {
                failure.text = full_text(failure.code, failure.text);
            }
            if (!failures.empty()) {
                outcome.code = failures.front().code;
                outcome.text = failures.front().text;
            }
            outcome.data = control::to_json(failures);
            done(std::move(outcome));
        });
    };
    const auto found = resources_.find(settings.name);
    if (found == resources_.end()) {
        start_resource(settings,
                       [this, name = settings.name, bring_up, done](control::Outcome started) {
                           const auto entry = resources_.find(name);
                           if (started.code != 0 || entry == resources_.end()) {
                               done(std::move(started));
                           } else {
                               entry->second.thread->post(bring_up);
                           }
                       });
    } else if (found->second.thread == nullptr || found->second.going_down) {
        done(failed(-18, "the resource is just being brought up or taken down"));
    } else {
        found->second.thread->post(bring_up);
    }
}

// `done` on the server's thread.
void Daemon::start_resource(const config::ResourceSettings& settings, Done done) {
    resources_[settings.name].first_settings = settings;
    worker_.post([this, settings, done = std::move(done)] {
        using Started = base::Result<std::unique_ptr<runtime::ResourceThread>>;
        const auto started =
            std::make_shared<Started>(runtime::ResourceThread::start(settings, surroundings_));
        server_.post([this, name = settings.name, started, done] {
            if (!*started) {
                resources_.erase(name);
                server_.update(name, std::nullopt);
                done(failed(err::kInvalidRequest, started->error().text));
                return;
            }
            resources_[name].thread = std::move(**started);
            done({});
        });
    });
}

void Daemon::down(const std::string& resource, Done done) {
    Entry& entry = resources_.at(resource);
    entry.going_down = true;
    const auto tell = [this, resource, done = std::move(done)](runtime::AdminReply reply,
                                                               bool disks_free) {
        server_.post([this, resource, reply = std::move(reply), disks_free, done]() mutable {
            on_down(resource, std::move(reply), disks_free, done);
        });
    };
    entry.thread->post([tell](runtime::ResourceCore& core) {
        core.demote([&core, tell](runtime::AdminReply demoted) {
            if (demoted.code != 0 && !demoted.still_running) {
                tell(std::move(demoted), true);
                return;
            }
            core.command_to_its_end(engine::Down{}, [&core, tell](runtime::AdminReply down) {
                if (down.code != 0) {
                    tell(std::move(down), true);
                } else {
                    core.stop([&core, tell] { tell({}, core.disks_free()); });
                }
            });
        });
    });
}

// Told when it is still running, and in the end.
void Daemon::on_down(const std::string& resource,
                     runtime::AdminReply reply,
                     bool disks_free,
                     const Done& done) {
    const auto found = resources_.find(resource);
    if (reply.code != 0) {
        found->second.going_down = reply.still_running;
        done(outcome_of(reply));
        return;
    }
    std::shared_ptr<runtime::ResourceThread> thread = std::move(found->second.thread);
    resources_.erase(found);
    settle_resync_order();
    if (!disks_free) {
        linger(std::move(thread));
        server_.update(resource, std::nullopt);
        done({});
        return;
    }
    // Joining a thread takes its time; the tool is answered when nothing of the resource is left.
    worker_.post([this, resource, thread = std::move(thread), done]() mutable {
        thread.reset();
        server_.update(resource, std::nullopt);
        done({});
    });
}

// The kernel has not answered yet for disks that the resource has given up: what it may still read
// and write is kept until then, and nothing else of the resource.
void Daemon::linger(std::shared_ptr<runtime::ResourceThread> thread) {
    lingering_.push_back(thread);
    thread->post([this, left = thread.get()](runtime::ResourceCore& core) {
        core.when_disks_free([this, left] {
            server_.post([this, left] {
                const auto found =
                    std::find_if(lingering_.begin(), lingering_.end(), [left](const auto& other) {
                        return other.get() == left;
                    });
                worker_.post([free = std::move(*found)]() mutable { free.reset(); });
                lingering_.erase(found);
            });
        });
    });
}

// --- Commands of a running resource -------------------------------------------------------------

void Daemon::run_on(Entry& entry, const control::Request& request, Done done) {
    using control::Command;
    constexpr Command kOfVolume[] = {Command::Attach,
                                     Command::Detach,
                                     Command::Invalidate,
                                     Command::InvalidateRemote,
                                     Command::NewCurrentUuid,
                                     Command::Resize,
                                     Command::Verify,
                                     Command::PauseSync,
                                     Command::ResumeSync,
                                     Command::SuspendIo,
                                     Command::ResumeIo,
                                     Command::Outdate};
    const bool of_volume = std::find(std::begin(kOfVolume), std::end(kOfVolume), request.command) !=
                           std::end(kOfVolume);
    const config::ResourceSettings settings = entry.settings();
    const bool unknown = request.volume && !has_volume(settings, *request.volume);
    if (unknown || (of_volume && !request.volume)) {
        done(failed(err::kMinorInvalid));
        return;
    }
    if (request.command == Command::Connect && request.settings) {
        if (control::Outcome refused = conflict(*request.settings); refused.code != 0) {
            done(std::move(refused));
            return;
        }
    }
    if (request.command == Command::Options && !request.settings) {
        done(failed(err::kInvalidRequest, "options needs the settings of the resource"));
        return;
    }
    if (request.settings && !config::processors_of(request.settings->cpu_mask)) {
        done(failed(err::kCpuMask));
        return;
    }
    const engine::VolumeNumber volume{request.volume.value_or(0)};
    const engine::Promote how{request.force, request.volume ? std::optional(volume) : std::nullopt};
    const auto answer = [done = std::move(done)](const runtime::AdminReply& reply) {
        done(outcome_of(reply));
    };
    entry.thread->post([request, volume, how, answer](runtime::ResourceCore& core) {
        switch (request.command) {
            case Command::Attach:
                core.attach(volume, request.settings, answer);
                return;
            case Command::Connect:
                core.connect(request.discard_my_data, request.settings, answer);
                return;
            case Command::Options:
                core.change_options(*request.settings, answer);
                return;
            case Command::Detach:
                core.command(engine::Detach{volume, request.force}, answer);
                return;
            case Command::Disconnect:
                core.command(engine::Disconnect{request.force}, answer);
                return;
            case Command::Primary:
                core.promote(how, answer);
                return;
            case Command::Secondary:
                core.demote(answer);
                return;
            case Command::Invalidate:
                core.command(engine::Invalidate{volume}, answer);
                return;
            case Command::InvalidateRemote:
                core.command(engine::InvalidateRemote{volume}, answer);
                return;
            case Command::NewCurrentUuid:
                core.command(engine::NewCurrentUuid{volume, request.clear_bitmap}, answer);
                return;
            case Command::Resize:
                core.command(engine::Resize{volume,
                                            request.size_sectors,
                                            request.assume_peer_has_space,
                                            request.assume_clean},
                             answer);
                return;
            case Command::Verify:
                core.command(
                    engine::StartVerify{volume, request.start, request.stop, request.repair},
                    answer);
                return;
            case Command::PauseSync:
            case Command::ResumeSync:
                core.command(engine::PauseSync{volume, request.command == Command::PauseSync},
                             answer);
                return;
            case Command::SuspendIo:
            case Command::ResumeIo:
                core.command(engine::SuspendIo{volume, request.command == Command::SuspendIo},
                             answer);
                return;
            case Command::Outdate:
                core.command(engine::Outdate{volume}, answer);
                return;
            case Command::PeerSuspect:
                core.command(engine::PeerSuspect{}, answer);
                return;
            case Command::PeerDead:
                core.command(engine::PeerDead{}, answer);
                return;
            default:
                answer({err::kInvalidRequest, "not a command for a resource"});
        }
    });
}

// --- The end ------------------------------------------------------------------------------------

void Daemon::stop(std::function<void(std::string left)> done) {
    server_.post([this, done = std::move(done)] {
        struct Ending {
            std::size_t waiting = 1;
            std::string left;
            std::function<void(std::string)> done;
        };

        const auto ending = std::make_shared<Ending>();
        ending->done = done;
        const auto one_less = [ending] {
            if (--ending->waiting == 0) {
                ending->done(ending->left);
            }
        };
        std::vector<std::string> names;
        for (const auto& [name, entry] : resources_) {
            if (entry.thread != nullptr && !entry.going_down) {
                names.push_back(name);
            }
        }
        for (const std::string& name : names) {
            ++ending->waiting;
            const auto first = std::make_shared<bool>(true);
            down(name, [this, name, ending, one_less, first](const control::Outcome& outcome) {
                server_.post([name, ending, one_less, first, outcome] {
                    if (!std::exchange(*first, false)) {
                        return;  // it was still running, and has ended now
                    }
                    if (outcome.code != 0) {
                        ending->left +=
                            (ending->left.empty() ? "" : "\n") + name + ": " + outcome.text;
                    }
                    one_less();
                });
            });
        }
        one_less();
    });
}

}  // namespace drbdd
