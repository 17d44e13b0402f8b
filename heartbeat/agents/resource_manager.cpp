#include "heartbeat/agents/resource_manager.h"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <regex>
#include <thread>

namespace hb {

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kNotRunning = 3;
constexpr const char* kUsage =
    "usage: ResourceManager listkeys NODE | allkeys | ourkeys | otherkeys | status RESOURCE |\n"
    "                       takegroup KEY | givegroup KEY | statgroup KEY | verifyallidle\n";

// What agents print goes to standard error, where the caller's log is.
class ErrLog : public base::LogSink {
public:
    explicit ErrLog(std::ostream& err) : err_(err) {}

    void write(base::LogLevel, std::string_view line) override { err_ << line << '\n'; }

private:
    std::ostream& err_;
};

}  // namespace

base::Result<config::ResourceWord> parse_resource(const std::string& text) {
    const auto parsed = config::parse_haresources("resource", "node " + text + "\n");
    if (!parsed.ok() || parsed.value.groups.size() != 1 ||
        parsed.value.groups.front().words.size() != 1) {
        return base::Error{base::ErrorCode::Invalid, "'" + text + "' is not a resource"};
    }
    return parsed.value.groups.front().words.front();
}

ResourceManager::ResourceManager(Setup setup, std::ostream& out, std::ostream& err)
    : setup_(std::move(setup)), out_(out), err_(err) {
}

int ResourceManager::run(const std::vector<std::string>& words) {
    const std::string verb = words.empty() ? "" : words[0];
    if (words.size() == 1) {
        if (verb == "allkeys") {
            return list(".*", true);
        }
        if (verb == "ourkeys" || verb == "otherkeys") {
            return list("", verb == "ourkeys");
        }
        if (verb == "verifyallidle") {
            return verify_all_idle();
        }
    }
    if (words.size() == 2 && verb == "listkeys") {
        return list(words[1], true);
    }
    if (words.size() == 2 && verb == "status") {
        const base::Result<config::ResourceWord> word = parse_resource(words[1]);
        if (!word) {
            err_ << "ERROR: " << word.error().text << '\n';
            return kFailed;
        }
        return runs(*word) ? kDone : kNotRunning;
    }
    const bool of_group = verb == "takegroup" || verb == "givegroup" || verb == "statgroup";
    if (words.size() != 2 || !of_group) {
        err_ << kUsage;
        return kFailed;
    }
    const config::ResourceGroup* group = setup_.resources.find(words[1]);
    if (group == nullptr) {
        err_ << "ERROR: no group of haresources has the key " << words[1] << '\n';
        return kFailed;
    }
    return verb == "takegroup"   ? take_group(*group)
           : verb == "givegroup" ? give_group(*group)
                                 : stat_group(*group);
}

int ResourceManager::take_group(const config::ResourceGroup& group) {
    for (const config::ResourceWord& word : group.words) {
        if (runs(word)) {
            continue;
        }
        const AgentResult result = call(word, Operation::Start);
        if (!result.ok()) {
            err_ << "CRIT: Giving up resources due to failure of " << word.text << " ("
                 << result.text << ")\n";
            give_group(group);
            return kFailed;
        }
    }
    return kDone;
}

int ResourceManager::give_group(const config::ResourceGroup& group) {
    for (auto word = group.words.rbegin(); word != group.words.rend(); ++word) {
        if (!stop(*word)) {
            err_ << "CRIT: " << word->text
                 << " cannot be stopped and may be running: what is left of it was not stopped\n";
            return kFailed;
        }
    }
    return kDone;
}

bool ResourceManager::stop(const config::ResourceWord& word) {
    for (unsigned attempt = 0;; ++attempt) {
        if (call(word, Operation::Stop).ok()) {
            return true;
        }
        if (attempt >= setup_.stop_retries) {
            return call(word, Operation::Status).verdict == Verdict::Stopped;
        }
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
}

int ResourceManager::stat_group(const config::ResourceGroup& group) {
    const auto running = std::count_if(
        group.words.begin(), group.words.end(), [&](const auto& word) { return runs(word); });
    const auto all = static_cast<std::ptrdiff_t>(group.words.size());
    out_ << (running == 0 ? "NONE" : running == all ? "ALL" : "SOME") << '\n';
    return kDone;
}

int ResourceManager::verify_all_idle() {
    int active = 0;
    for (const config::ResourceGroup& group : setup_.resources.groups) {
        if (runs(group.words.front())) {
            err_ << "CRITICAL: Resource " << group.key() << " is active, and should not be!\n"
                 << "CRITICAL: Non-idle resources can affect data integrity!\n";
            ++active;
        }
    }
    return std::min(active, 255);
}

// An empty pattern means our own node; the original's expressions are basic ones.
int ResourceManager::list(const std::string& pattern, bool matching) {
    std::regex expression;
    try {
        expression = std::regex(pattern, std::regex::basic | std::regex::icase);
    } catch (const std::regex_error& error) {
        err_ << "ERROR: '" << pattern << "' is not a regular expression: " << error.what() << '\n';
        return kFailed;
    }
    for (const config::ResourceGroup& group : setup_.resources.groups) {
        const bool matches =
            pattern.empty() ? group.node == setup_.node : std::regex_match(group.node, expression);
        if (matches == matching) {
            out_ << group.key() << '\n';
        }
    }
    return kDone;
}

bool ResourceManager::runs(const config::ResourceWord& word) {
    return call(word, Operation::Status).verdict == Verdict::Running;
}

AgentResult ResourceManager::call(const config::ResourceWord& word, Operation operation) {
    boost::asio::io_context io;
    ErrLog log(err_);
    AgentRunner runner(io, setup_.paths, setup_.variables, log);
    AgentResult out;
    runner.run(1, word, operation, std::chrono::milliseconds(0), [&](const AgentResult& result) {
        out = result;
        io.stop();  // what the agent left in the background is not waited for
    });
    io.run();
    if (out.missing) {
        err_ << "ERROR: " << out.text << '\n';
    }
    return out;
}

}  // namespace hb
