#include "heartbeat/runtime/client_programs.h"

#include <pwd.h>
#include <unistd.h>
#include <utility>

namespace hb {

namespace {

constexpr int kCannotStart = 127;

}  // namespace

std::string client_name(const std::string& command) {
    const std::string path = command.substr(0, command.find_first_of(" \t"));
    return path.substr(path.rfind('/') + 1);
}

base::Result<std::vector<std::string>> client_argv(const config::HaRespawn& respawn) {
    const passwd* user = ::getpwnam(respawn.user.c_str());
    if (user == nullptr) {
        return base::Error{base::ErrorCode::NotFound,
                           "respawn " + respawn.command + ": there is no user '" + respawn.user +
                               "' on this machine"};
    }
    std::vector<std::string> argv{"setpriv", "--pdeathsig", "TERM"};
    if (user->pw_uid != ::geteuid()) {
        const std::string uid = std::to_string(user->pw_uid);
        const std::string gid = std::to_string(user->pw_gid);
        argv.insert(argv.end(), {"--reuid", uid, "--regid", gid, "--init-groups"});
    }
    argv.insert(argv.end(), {"--", "/bin/sh", "-c", "exec " + respawn.command});
    return argv;
}

ClientPrograms::ClientPrograms(std::vector<config::HaRespawn> respawn,
                               Programs& programs,
                               Callback exited,
                               base::LogSink& log)
    : respawn_(std::move(respawn)), programs_(programs), exited_(std::move(exited)), log_(log) {
}

void ClientPrograms::start(std::size_t index) {
    if (index >= respawn_.size() || running_.contains(index)) {
        return;
    }
    const config::HaRespawn& respawn = respawn_[index];
    Program program;
    program.label = client_name(respawn.command);
    auto argv = client_argv(respawn);
    if (!argv) {
        log_.write(base::LogLevel::Error, argv.error().text);
        // The engine hears of it as it hears of any end, not from inside.
        argv = std::vector<std::string>{"/bin/sh", "-c", "exit 127"};
    } else {
        log_.write(base::LogLevel::Info,
                   base::format("Starting child client \"%s\" as user %s",
                                respawn.command.c_str(),
                                respawn.user.c_str()));
    }
    program.argv = *argv;
    running_[index] =
        programs_.run(program, [this, index, life = life_](const ChildResult& result) {
            if (life != life_) {
                return;
            }
            running_.erase(index);
            constexpr int kSignalled = 128;
            const int code = result.missing       ? kCannotStart
                             : result.signal != 0 ? kSignalled + result.signal
                                                  : result.exit;
            exited_(index, code);
        });
}

void ClientPrograms::stop_all() {
    for (auto client = running_.rbegin(); client != running_.rend(); ++client) {
        programs_.kill(client->second);
    }
}

void ClientPrograms::forget() {
    ++life_;
    running_.clear();
}

bool ClientPrograms::online(const std::string& name) const {
    for (const auto& [index, job] : running_) {
        if (client_name(respawn_[index].command) == name) {
            return true;
        }
    }
    return false;
}

}  // namespace hb
