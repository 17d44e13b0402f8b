#include "heartbeat/runtime/rc_scripts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr std::array<std::string_view, 5> kInternal = {
    "status", "ip-request", "ip-request-resp", "ask_resources", "hb_takeover"};
constexpr std::size_t kMaxNameBytes = 64;

bool is_executable(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string rc_script_name(std::string_view type) {
    std::string name;
    for (const char c : type) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) == 0 && c != '-' && c != '_') {
            return {};
        }
        name.push_back(static_cast<char>(std::tolower(byte)));
    }
    return name.size() > kMaxNameBytes ? std::string() : name;
}

RcScripts::RcScripts(const std::string& ha_dir, Programs& programs, base::LogSink& log)
    : ha_dir_(ha_dir), programs_(programs), log_(log) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(ha_dir + "/rc.d", ignored)) {
        const std::string name = entry.path().filename().string();
        const bool internal =
            std::find(kInternal.begin(), kInternal.end(), name) != kInternal.end();
        if (!internal && is_executable(entry.path().string())) {
            types_.insert(name);
        }
    }
}

void RcScripts::run(const std::string& type,
                    const std::map<std::string, std::string>& environment) {
    const std::string name = rc_script_name(type);
    if (!types_.contains(name)) {
        return;
    }
    if (waiting_.size() >= kMaxWaiting) {
        log_.write(base::LogLevel::Warning,
                   "rc.d/" + name + " is not run: too many scripts are waiting already");
        return;
    }
    Program program;
    program.label = "rc.d/" + name;
    const std::string harc = ha_dir_ + "/harc";
    program.argv = is_executable(harc) ? std::vector<std::string>{harc, name}
                                       : std::vector<std::string>{ha_dir_ + "/rc.d/" + name, name};
    for (const auto& [variable, value] : environment) {
        program.variables.push_back(variable + "=" + value);
    }
    waiting_.push_back(std::move(program));
    if (!running_) {
        run_next();
    }
}

void RcScripts::run_next() {
    running_ = !waiting_.empty();
    if (!running_) {
        return;
    }
    const Program program = std::move(waiting_.front());
    waiting_.pop_front();
    programs_.run(program, [this](const ChildResult&) { run_next(); });
}

}  // namespace hb
