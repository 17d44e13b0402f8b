#include "heartbeat/runtime/storage.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace hb {

namespace {

constexpr auto kDrbdadmLimit = std::chrono::seconds(10);
constexpr int kUndefined = 20;

Program drbdadm(const std::string& command, const std::string& resource) {
    Program program;
    program.label = "drbdadm " + command + " " + resource;
    program.argv = {"drbdadm", command, resource};
    program.time_limit = kDrbdadmLimit;
    return program;
}

}  // namespace

std::vector<std::string> replicated_resources(const config::Haresources& resources) {
    std::vector<std::string> names;
    for (const config::ResourceGroup& group : resources.groups) {
        for (const config::ResourceWord& word : group.words) {
            if (word.script != "drbddisk") {
                continue;
            }
            const std::string name = word.args.empty() ? "all" : word.args.front();
            if (name == "all") {
                return {name};
            }
            if (std::find(names.begin(), names.end(), name) == names.end()) {
                names.push_back(name);
            }
        }
    }
    return names;
}

void Storage::suspect(const std::vector<std::string>& resources) {
    for (const std::string& name : resources) {
        programs_.run(drbdadm("peer-suspect", name), [](const ChildResult&) {});
    }
}

void Storage::cut(const std::vector<std::string>& resources,
                  std::function<void(bool ok, const std::string& text)> done) {
    struct Round {
        std::size_t left = 0;
        std::string failures;
        std::function<void(bool, const std::string&)> done;
    };

    const auto round = std::make_shared<Round>();
    round->left = resources.size();
    round->done = std::move(done);
    for (const std::string& name : resources) {
        programs_.run(drbdadm("peer-dead", name), [round, name](const ChildResult& result) {
            if (result.exit != 0) {
                round->failures +=
                    (round->failures.empty() ? "" : "; ") + name + ": " + result.text;
            }
            if (--round->left == 0) {
                round->done(round->failures.empty(), round->failures);
            }
        });
    }
}

void Storage::outdate(const std::string& resource, std::function<void(int exit_code)> done) {
    programs_.run(drbdadm("outdate", resource),
                  [done = std::move(done)](const ChildResult& result) {
                      done(result.exit >= 0 ? result.exit : kUndefined);
                  });
}

}  // namespace hb
