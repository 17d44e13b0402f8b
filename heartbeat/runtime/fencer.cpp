#include "heartbeat/runtime/fencer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr auto kTimeLimit = std::chrono::seconds(60);
constexpr std::string_view kExternal = "external/";
constexpr const char* kPluginFolder = "/usr/lib/stonith/plugins/external/";

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream stream{std::string(text)};
    return {std::istream_iterator<std::string>(stream), {}};
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

Fencer::Fencer(std::optional<FencingDevice> device, Programs& programs, base::LogSink& log)
    : device_(std::move(device)), programs_(programs), log_(log) {
}

void Fencer::reset(const std::string& node, Callback done) {
    waiting_[node] = {std::move(done), 0};
    Program program;
    program.label = "fencing " + node;
    program.time_limit = kTimeLimit;
    program.variables = {"HB_FENCE_NODE=" + node};
    if (!device_) {
        program.argv = {"/bin/sh", "-c", "echo no fencing device is configured; exit 1"};
    } else if (!device_->fence_command.empty()) {
        program.argv = words_of(device_->fence_command);
        program.argv.push_back(node);
    } else if (device_->type.starts_with(kExternal)) {
        run_plugin(node, kPluginFolder + device_->type.substr(kExternal.size()));
        return;
    } else {
        program.argv = {
            "stonith", "-t", device_->type, "-p", device_->parameters, "-T", "reset", node};
    }
    if (device_ && device_->type == "meatware" && device_->fence_command.empty()) {
        program.time_limit = {};
        log_.write(base::LogLevel::Alert,
                   "OPERATOR INTERVENTION REQUIRED to reset " + node +
                       ". Reset it, then run "
                       "'meatclient -c " +
                       node + "' or confirm the takeover with 'hb_takeover'.");
    }
    run(node, std::move(program));
}

void Fencer::run(const std::string& node, Program program) {
    const bool meatware = device_ && device_->type == "meatware";
    waiting_[node].job = programs_.run(program, [this, node, meatware](const ChildResult& result) {
        if (meatware && result.missing) {
            return;  // a person may still confirm
        }
        std::string said = first_parameter_line(result.output);
        finish(node, result.exit == 0, result.text + (said.empty() ? "" : ": " + said));
    });
}

// First the plugin says what its parameters are called, then it gets them by name.
void Fencer::run_plugin(const std::string& node, const std::string& path) {
    Program program;
    program.label = "fencing " + node;
    program.time_limit = kTimeLimit;
    if (!is_safe_plugin(path)) {
        program.argv = {"/bin/sh",
                        "-c",
                        "echo \"$0 is no plugin: a regular executable file is wanted that only its "
                        "owner may write\"; exit 1",
                        path};
        run(node, std::move(program));
        return;
    }
    program.argv = {path, "getconfignames"};
    waiting_[node].job =
        programs_.run(program, [this, node, path, program](const ChildResult& result) {
            if (result.exit != 0) {
                finish(node, false, path + " getconfignames: " + result.text);
                return;
            }
            Program reset = program;
            reset.argv = {path, "reset", node};
            reset.variables = plugin_variables(result.output, device_->parameters);
            run(node, std::move(reset));
        });
}

bool Fencer::confirm(const std::string& node) {
    for (auto& [name, waiting] : waiting_) {
        if ((node.empty() || node == name) && device_ && device_->type == "meatware") {
            const std::string which = name;
            programs_.kill(waiting.job);
            finish(which, true, "a person has confirmed that " + which + " is off");
            return true;
        }
    }
    return false;
}

void Fencer::finish(const std::string& node, bool ok, const std::string& text) {
    const auto found = waiting_.find(node);
    if (found == waiting_.end()) {
        return;  // confirmed in the meantime
    }
    const Callback done = std::move(found->second.done);
    waiting_.erase(found);
    done(ok, text);
}

}  // namespace hb
