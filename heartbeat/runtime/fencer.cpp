#include "heartbeat/runtime/fencer.h"

#include "heartbeat/runtime/state_files.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr std::string_view kExternal = "external/";
constexpr const char* kPluginFolder = "/usr/lib/stonith/plugins/external/";
constexpr const char* kPluginTools = "/usr/share/cluster-glue";  // of ha_log.sh

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream stream{std::string(text)};
    return {std::istream_iterator<std::string>(stream), {}};
}

std::string plugin_search_path(const std::vector<std::string>& variables) {
    for (const std::string& variable : variables) {
        if (variable.starts_with("PATH=")) {
            return variable + ":" + kPluginTools;
        }
    }
    return std::string("PATH=/usr/sbin:/usr/bin:/sbin:/bin:") + kPluginTools;
}

// A plugin that others may write to could make root run anything.
bool is_safe_plugin(const std::string& path) {
    struct stat found {};

    return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
           (found.st_mode & (S_IWGRP | S_IWOTH)) == 0 && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string first_parameter_line(std::string_view text) {
    std::istringstream stream{std::string(text)};
    std::string line;
    while (std::getline(stream, line)) {
        const std::size_t begin = line.find_first_not_of(" \t\r");
        if (begin != std::string::npos && line[begin] != '#') {
            const std::size_t end = line.find_last_not_of(" \t\r");
            return line.substr(begin, end - begin + 1);
        }
    }
    return {};
}

std::vector<std::string> plugin_variables(std::string_view names, std::string_view parameters) {
    const std::vector<std::string> wanted = words_of(names);
    const std::vector<std::string> given = words_of(parameters);
    std::vector<std::string> variables;
    std::size_t next = 0;
    for (const std::string& word : given) {
        const std::size_t equals = word.find('=');
        if (equals != std::string::npos &&
            std::find(wanted.begin(), wanted.end(), word.substr(0, equals)) != wanted.end()) {
            variables.push_back(word);
        } else if (next < wanted.size()) {
            variables.push_back(wanted[next++] + "=" + word);
        } else if (!variables.empty()) {
            variables.back() += " " + word;
        }
    }
    return variables;
}

base::Result<std::optional<FencingDevice>> fencing_device(const config::HaCf& conf,
                                                          const config::HaPolicy& policy,
                                                          const std::string& node) {
    const config::HaStonith* stonith = config::stonith_for(conf, node);
    if (stonith == nullptr && policy.fence_command.empty()) {
        return std::optional<FencingDevice>();
    }
    FencingDevice device;
    device.fence_command = policy.fence_command;
    device.time_limit = policy.fence_timeout;
    if (stonith != nullptr) {
        device.type = stonith->type;
        device.parameters = stonith->parameters;
        device.config_file = stonith->config_file;
    }
    if (!device.config_file.empty()) {
        std::ifstream file(device.config_file);
        if (!file) {
            return base::Error{base::ErrorCode::NotFound,
                               "stonith " + device.type + ": cannot read " + device.config_file};
        }
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        device.parameters = first_parameter_line(text);
    }
    return std::optional<FencingDevice>(std::move(device));
}

Fencer::Fencer(std::optional<FencingDevice> device,
               std::string run_dir,
               Programs& programs,
               base::LogSink& log)
    : run_dir_(std::move(run_dir)), programs_(programs), log_(log) {
    set(std::move(device));
}

void Fencer::set(std::optional<FencingDevice> device) {
    device_ = device ? std::make_shared<const FencingDevice>(std::move(*device)) : nullptr;
}

// The word of an older reset, perhaps of a node that has lived since, is never taken for this
// one's: each has its own number.
void Fencer::reset(FenceId id, const std::string& node, Callback done) {
    waiting_[id] = {node, std::move(done), device_, 0};
    Program program;
    program.label = "fencing " + node;
    program.time_limit = device_ ? device_->time_limit : std::chrono::milliseconds(0);
    program.variables = {"HB_FENCE_NODE=" + node};
    program.outlives_us = !is_meatware(device_);
    if (!device_) {
        program.argv = {"/bin/sh", "-c", "echo no fencing device is configured; exit 1"};
    } else if (!device_->fence_command.empty()) {
        program.argv = words_of(device_->fence_command);
        program.argv.push_back(node);
    } else if (device_->type.starts_with(kExternal)) {
        run_plugin(id, kPluginFolder + device_->type.substr(kExternal.size()));
        return;
    } else {
        run_stonith(id, std::move(program));
        return;
    }
    run(id, std::move(program));
}

// The tool reads the parameters from the administrator's file, or from one of ours: a command line
// can be read by everybody.
void Fencer::run_stonith(FenceId id, Program program) {
    const std::string& node = waiting_[id].node;
    std::string file = device_->config_file;
    if (file.empty()) {
        file = run_dir_ + "/heartbeat.stonith";
        if (const auto good = replace_file(file, device_->parameters + "\n", 0600); !good) {
            program.argv = {"/bin/sh", "-c", "echo \"$0\"; exit 1", good.error().text};
            run(id, std::move(program));
            return;
        }
    }
    program.argv = {"stonith", "-t", device_->type, "-F", file, "-T", "reset", node};
    if (is_meatware(device_)) {
        program.time_limit = {};
        log_.write(base::LogLevel::Alert,
                   "OPERATOR INTERVENTION REQUIRED to reset " + node +
                       ". Reset it, then run "
                       "'meatclient -c " +
                       node + "' or confirm the takeover with 'hb_takeover'.");
    }
    run(id, std::move(program));
}

bool Fencer::is_meatware(const DevicePtr& device) {
    return device && device->type == "meatware" && device->fence_command.empty();
}

void Fencer::run(FenceId id, Program program) {
    Waiting& waiting = waiting_[id];
    const bool person = is_meatware(waiting.device);
    waiting.job = programs_.run(program, [this, id, person](const ChildResult& result) {
        if (person && result.missing) {
            return;  // a person may still confirm
        }
        std::string said = first_parameter_line(result.output);
        finish(id, result.exit == 0, result.text + (said.empty() ? "" : ": " + said));
    });
}

// First the plugin says what its parameters are called, then it gets them by name.
void Fencer::run_plugin(FenceId id, const std::string& path) {
    Program program;
    program.label = "fencing " + waiting_[id].node;
    program.time_limit = device_->time_limit;
    program.outlives_us = true;
    if (!is_safe_plugin(path)) {
        program.argv = {"/bin/sh",
                        "-c",
                        "echo \"$0 is no plugin: a regular executable file is wanted that only its "
                        "owner may write\"; exit 1",
                        path};
        run(id, std::move(program));
        return;
    }
    program.argv = {path, "getconfignames"};
    program.variables = {plugin_search_path(programs_.variables())};
    waiting_[id].job = programs_.run(program, [this, id, path, program](const ChildResult& result) {
        const auto found = waiting_.find(id);
        if (found == waiting_.end()) {
            return;  // cancelled
        }
        if (result.exit != 0) {
            finish(id, false, path + " getconfignames: " + result.text);
            return;
        }
        Program reset = program;
        reset.argv = {path, "reset", found->second.node};
        for (std::string& variable :
             plugin_variables(result.output, found->second.device->parameters)) {
            reset.variables.push_back(std::move(variable));
        }
        run(id, std::move(reset));
    });
}

void Fencer::cancel(FenceId id) {
    const auto found = waiting_.find(id);
    if (found != waiting_.end() && is_meatware(found->second.device)) {
        log_.write(base::LogLevel::Info, "Nobody need reset " + found->second.node + " any more.");
        programs_.kill(found->second.job);
        waiting_.erase(found);
    }
}

bool Fencer::confirm(const std::string& node) {
    for (auto& [id, waiting] : waiting_) {
        if ((node.empty() || node == waiting.node) && is_meatware(waiting.device)) {
            const FenceId which = id;
            programs_.kill(waiting.job);
            finish(which, true, "a person has confirmed that " + waiting.node + " is off");
            return true;
        }
    }
    return false;
}

void Fencer::finish(FenceId id, bool ok, const std::string& text) {
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) {
        return;  // confirmed or cancelled in the meantime
    }
    const Callback done = std::move(found->second.done);
    waiting_.erase(found);
    done(ok, text);
}

}  // namespace hb
