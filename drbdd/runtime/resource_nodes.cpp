// The part of ResourceCore that keeps device nodes in step with the role.
#include "drbdd/runtime/parallel.h"
#include "drbdd/runtime/resource_core.h"

#include <boost/asio/post.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace runtime {

namespace asio = boost::asio;

namespace {

// A node that was just taken away lets go of the volume a moment later, when its process ends.
constexpr auto kUsersInterval = std::chrono::milliseconds(10);
constexpr int kUsersTurns = 30;

}  // namespace

// `then` on this thread, after `job` on the worker's.
void ResourceCore::on_worker(std::function<void()> job, std::function<void()> then) {
    on_worker(worker_, std::move(job), std::move(then));
}

void ResourceCore::on_worker(Worker& worker,
                             std::function<void()> job,
                             std::function<void()> then) {
    worker.post([&context = context_, job = std::move(job), then = std::move(then)] {
        job();
        asio::post(context, then);
    });
}

// `then` hears what did not work; the role does not depend on it.
void ResourceCore::attach_nodes(std::function<void(std::string trouble)> then) {
    struct Carried {
        engine::VolumeNumber volume;
        std::string frontend;
        std::string note;
    };

    struct Outcome {
        std::string trouble;
        std::vector<Carried> carried;
    };

    struct Job {
        engine::VolumeNumber volume;
        std::shared_ptr<DeviceNode> node;
        std::uint32_t block_bytes;
    };

    std::vector<Job> jobs;
    for (const auto& [volume, unit] : units_) {
        if (!unit.leaving) {
            jobs.push_back({volume, unit.node, unit.port->status().logical_block_bytes});
        }
    }
    const auto outcome = std::make_shared<Outcome>();
    on_worker(
        [jobs, outcome] {
            std::vector<std::string> troubles(jobs.size());
            in_parallel(jobs.size(), [&](std::size_t i) {
                if (auto attached = jobs[i].node->attach(jobs[i].block_bytes); !attached) {
                    troubles[i] = attached.error().text;
                }
            });
            for (std::size_t i = 0; i < jobs.size(); ++i) {
                outcome->trouble +=
                    (outcome->trouble.empty() || troubles[i].empty() ? "" : "\n") + troubles[i];
                DeviceNode& node = *jobs[i].node;
                outcome->carried.push_back({jobs[i].volume, node.frontend(), node.frontend_note()});
            }
        },
        [this, outcome, then = std::move(then)] {
            for (const Carried& carried : outcome->carried) {
                if (const auto shown = units_.find(carried.volume); shown != units_.end()) {
                    shown->second.frontend = carried.frontend;
                    shown->second.frontend_note = carried.note;
                }
            }
            if (!outcome->trouble.empty()) {
                surroundings_.log.write(base::LogLevel::Error, outcome->trouble);
            }
            publish();
            then(outcome->trouble);
        });
}

// Takes the nodes away unless somebody uses one, then waits a moment for the last users to go.
// `then` gets the names of those that stay (and everything is as before), or nothing; then nobody
// can open a volume until forbid_open(false).
void ResourceCore::release_volumes(std::function<void(std::string who)> then) {
    std::vector<std::shared_ptr<DeviceNode>> nodes;
    for (const auto& [volume, unit] : units_) {
        nodes.push_back(unit.node);
    }
    const auto who = std::make_shared<std::string>();
    on_worker(
        [nodes, who] {
            const auto add = [&](const std::string& user) {
                *who += (who->empty() || user.empty() ? "" : ", ") + user;
            };
            for (const auto& node : nodes) {
                add(node->in_use());
            }
            if (!who->empty()) {
                return;
            }
            std::vector<std::string> troubles(nodes.size());
            in_parallel(nodes.size(), [&](std::size_t i) {
                if (auto detached = nodes[i]->detach(); !detached) {
                    troubles[i] = detached.error().text;
                }
            });
            for (const std::string& trouble : troubles) {
                add(trouble);
            }
        },
        [this, who, then = std::move(then)] {
            if (who->empty()) {
                wait_for_users(kUsersTurns, then);
            } else {
                attach_nodes([who, then](const std::string&) { then(*who); });
            }
        });
}

void ResourceCore::wait_for_users(int turns, std::function<void(std::string who)> then) {
    const std::string who = users_text();
    if (who.empty()) {
        forbid_open(true);
        for (auto& [volume, unit] : units_) {
            unit.frontend = "none";
            unit.frontend_note.clear();
        }
        then("");
        return;
    }
    if (turns == 0) {
        attach_nodes([who, then = std::move(then)](const std::string&) { then(who); });
        return;
    }
    users_timer_.expires_after(kUsersInterval);
    users_timer_.async_wait(
        [this, turns, then = std::move(then)](const boost::system::error_code& error) {
            if (!error) {
                wait_for_users(turns - 1, then);
            }
        });
}

// A role that changed without a command of ours (the connection decided who is the victim of a
// split brain) takes the nodes along.
void ResourceCore::follow_role() {
    const bool primary = snapshot_.get()->status.role == engine::Role::Primary;
    if (primary || !nodes_wanted_) {
        return;
    }
    nodes_wanted_ = false;
    for (auto& [volume, unit] : units_) {
        unit.frontend = "none";
        unit.frontend_note.clear();
        worker_.post([node = unit.node, &log = surroundings_.log] {
            if (auto detached = node->detach(); !detached) {
                log.write(base::LogLevel::Error, detached.error().text);
            }
        });
    }
}

// Whatever the worker was given before is done by then.
void ResourceCore::vacate_nodes(std::function<void()> then) {
    std::vector<std::shared_ptr<DeviceNode>> nodes;
    for (const auto& [volume, unit] : units_) {
        nodes.push_back(unit.node);
    }
    on_worker(
        [nodes] {
            for (const auto& node : nodes) {
                node->vacate();
            }
        },
        std::move(then));
}

std::string ResourceCore::users_text() const {
    std::string text;
    for (const auto& [volume, unit] : units_) {
        const std::string users = unit.port->users_text();
        if (!users.empty()) {
            text += (text.empty() ? "" : ", ") + users;
        }
    }
    return text;
}

void ResourceCore::forbid_open(bool forbid) {
    for (auto& [volume, unit] : units_) {
        unit.port->forbid_open(forbid);
    }
}

}  // namespace runtime
