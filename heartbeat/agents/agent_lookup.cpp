#include "heartbeat/agents/agent_lookup.h"

#include "heartbeat/agents/ocf_parameters.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <unistd.h>

namespace hb {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kInstanceFileLimit = 64 * 1024;

bool is_executable_file(const std::string& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

// A name that cannot leave the folder it is looked up in.
bool is_plain_name(const std::string& name) {
    return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
           name.find('\0') == std::string::npos;
}

AgentCall script_call(AgentKind kind,
                      const std::string& path,
                      const config::ResourceWord& word,
                      Operation operation) {
    AgentCall call{kind, {path}, {}};
    call.argv.insert(call.argv.end(), word.args.begin(), word.args.end());
    call.argv.emplace_back(name_of(operation));
    return call;
}

std::optional<std::string> unit_of(const std::string& name, const AgentPaths& paths) {
    const std::string unit = name.ends_with(".service") ? name : name + ".service";
    if (!exists(paths.systemd_running)) {
        return std::nullopt;
    }
    for (const std::string& directory : paths.unit_dirs) {
        if (exists(directory + "/" + unit)) {
            return unit;
        }
    }
    return std::nullopt;
}

AgentCall unit_call(const std::string& unit, Operation operation) {
    const char* verb = operation == Operation::Status ? "is-active" : name_of(operation);
    return {AgentKind::Systemd, {"systemctl", verb, unit}, {}};
}

// The provider heartbeat first, as most agents are its; then in the order of the alphabet.
std::vector<std::string> providers_of(const std::string& name, const std::string& ocf_root) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator at(ocf_root + "/resource.d", error), end; !error && at != end;
         at.increment(error)) {
        if (is_executable_file(at->path().string() + "/" + name)) {
            found.push_back(at->path().filename().string());
        }
    }
    std::sort(found.begin(), found.end(), [](const std::string& left, const std::string& right) {
        const bool left_first = left == "heartbeat";
        const bool right_first = right == "heartbeat";
        return left_first != right_first ? left_first : left < right;
    });
    return found;
}

// Agents use the name of the instance as the name of a file.
std::string instance_name(const std::string& type, const std::vector<std::string>& args) {
    constexpr std::size_t kFileNameLimit = 200;
    std::string out = type;
    for (const std::string& arg : args) {
        out += "_" + arg;
    }
    std::replace_if(
        out.begin(),
        out.end(),
        [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '.' && c != '-'; },
        '_');
    return out.substr(0, kFileNameLimit);
}

base::Result<OcfParameters> instance_parameters(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::string text(kInstanceFileLimit, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (!in.is_open() || text.size() == kInstanceFileLimit) {
        return base::Error{base::ErrorCode::NotFound,
                           file + ": the parameters of the OCF resource cannot be read"};
    }
    return parse_ocf_instance(file, text);
}

base::Result<AgentCall> ocf_call(const std::string& type,
                                 const std::string& provider,
                                 const std::string& instance,
                                 const base::Result<OcfParameters>& parameters,
                                 Operation operation,
                                 const AgentPaths& paths) {
    if (!parameters) {
        return parameters.error();
    }
    const char* verb = operation == Operation::Status ? "monitor" : name_of(operation);
    return AgentCall{AgentKind::Ocf,
                     {paths.ocf_root + "/resource.d/" + provider + "/" + type, verb},
                     ocf_variables(paths.ocf_root, provider, type, instance, *parameters)};
}

base::Error missing(const config::ResourceWord& word, const AgentPaths& paths) {
    std::string own = paths.own_dir.empty() ? "" : paths.own_dir + ", ";
    return {base::ErrorCode::NotFound,
            "no agent for " + word.text + ": there is no executable " + word.script + " in " +
                paths.ha_dir + "/resource.d, " + own + paths.init_dir + " or " + paths.ocf_root +
                "/resource.d/*, and no systemd unit of that name"};
}

}  // namespace

std::string own_agent_dir() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const char* folder : {"../agents", "agents", "../libexec/drbdd/agents"}) {
        const std::string path = (program / folder).lexically_normal();
        if (!error && is_executable_file(path + "/IPaddr")) {
            return path;
        }
    }
    return "";
}

const char* name_of(Operation operation) {
    switch (operation) {
        case Operation::Start:
            return "start";
        case Operation::Stop:
            return "stop";
        case Operation::Status:
            return "status";
    }
    return "";
}

const char* name_of(AgentKind kind) {
    switch (kind) {
        case AgentKind::Legacy:
            return "legacy";
        case AgentKind::Lsb:
            return "lsb";
        case AgentKind::Systemd:
            return "systemd";
        case AgentKind::Ocf:
            return "ocf";
    }
    return "";
}

base::Result<AgentCall> find_agent(const config::ResourceWord& word,
                                   Operation operation,
                                   const AgentPaths& paths) {
    if (!is_plain_name(word.script)) {
        return base::Error{base::ErrorCode::Invalid, word.text + ": not the name of an agent"};
    }
    for (const std::string& directory : {paths.ha_dir + "/resource.d", paths.own_dir}) {
        const std::string path = directory + "/" + word.script;
        if (!directory.empty() && is_executable_file(path)) {
            return script_call(AgentKind::Legacy, path, word, operation);
        }
    }
    if (const std::string path = paths.init_dir + "/" + word.script; is_executable_file(path)) {
        return script_call(AgentKind::Lsb, path, word, operation);
    }
    if (const auto unit = unit_of(word.script, paths)) {
        return unit_call(*unit, operation);
    }
    const bool by_instance = word.script == "OCF" && word.args.size() == 2 &&
                             is_plain_name(word.args[0]) && is_plain_name(word.args[1]);
    const std::string type = by_instance ? word.args[0] : word.script;
    const std::vector<std::string> providers = providers_of(type, paths.ocf_root);
    if (providers.empty()) {
        return missing(word, paths);
    }
    if (by_instance) {
        const std::string file = paths.ha_dir + "/conf/OCF/" + type + "/" + word.args[1];
        return ocf_call(
            type, providers[0], word.args[1], instance_parameters(file), operation, paths);
    }
    return ocf_call(type,
                    providers[0],
                    instance_name(type, word.args),
                    ocf_parameters(type, word.args),
                    operation,
                    paths);
}

}  // namespace hb
