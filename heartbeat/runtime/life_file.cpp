#include "heartbeat/runtime/life_file.h"

#include "base/log.h"
#include "heartbeat/engine/group.h"
#include "heartbeat/engine/hold.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <map>
#include <unistd.h>

namespace hb {

namespace {

constexpr const char* kLifeName = "/heartbeat.life";
constexpr std::size_t kMaxBytes = 256 * 1024;

std::string read_whole(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    std::string text;
    std::array<char, 4096> piece;
    ssize_t got = 0;
    while (file.open() && text.size() < kMaxBytes &&
           (got = ::read(file.get(), piece.data(), piece.size())) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

bool take(std::string_view word, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc() && end == word.data() + word.size();
}

bool take(std::string_view word, std::chrono::milliseconds& time) {
    std::uint64_t number = 0;
    if (!take(word, number) || number > 1'000'000'000'000'000) {
        return false;
    }
    time = std::chrono::milliseconds(static_cast<std::int64_t>(number));
    return true;
}

bool take(std::string_view word, std::string& text) {
    text = word;
    return true;
}

bool take(std::string_view word, Hold& hold) {
    const auto value = hold_of(word);
    hold = value.value_or(Hold::none);
    return value.has_value();
}

std::string_view cut_word(std::string_view& text) {
    const std::size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(blank == text.npos ? text.size() : blank + 1);
    return word;
}

// PID STARTED OPERATION RESOURCE
bool take(std::string_view line, RunningAgent& agent) {
    std::uint64_t pid = 0;
    if (!take(cut_word(line), pid) || pid == 0 || pid > 0x7fffffffu ||
        !take(cut_word(line), agent.process.started)) {
        return false;
    }
    agent.process.pid = static_cast<pid_t>(pid);
    const std::string_view operation = cut_word(line);
    for (const auto known : {AgentOperation::start, AgentOperation::stop, AgentOperation::status}) {
        if (operation == name_of(known)) {
            agent.operation = known;
            agent.resource = line;
            return !line.empty();
        }
    }
    return false;
}

bool take_line(std::string_view name, std::string_view value, Life& life) {
    const std::map<std::string_view, std::function<bool()>> fields = {
        {"boot", [&] { return take(value, life.boot); }},
        {"node", [&] { return take(value, life.node); }},
        {"generation", [&] { return take(value, life.generation); }},
        {"sequence", [&] { return take(value, life.sequence); }},
        {"status", [&] { return take(value, life.status); }},
        {"hold", [&] { return take(value, life.hold); }},
        {"deadtime", [&] { return take(value, life.deadtime); }},
        {"until", [&] { return take(value, life.until); }},
        {"partner", [&] { return take(value, life.partner.node); }},
        {"partner_generation", [&] { return take(value, life.partner.generation); }},
        {"partner_sequence", [&] { return take(value, life.partner.sequence); }},
        {"heard", [&] { return take(value, life.heard); }},
        {"heard_us", [&] { return take(value, life.heard_us); }},
        {"stops_until", [&] { return take(value, life.stops_until); }},
        {"agent", [&] { return take(value, life.agents.emplace_back()); }},
        {"group", [&] { return take(value, life.groups.emplace_back()); }},
        {"given", [&] { return take(value, life.given.emplace_back()); }},
    };
    const auto field = fields.find(name);
    return field != fields.end() && field->second();
}

}  // namespace

// The word "end" shows that it is whole.
std::string life_text(const Life& life) {
    std::string text = "boot " + life.boot + "\nnode " + life.node + "\ngeneration " +
                       std::to_string(life.generation) + "\nsequence " +
                       std::to_string(life.sequence) + "\nstatus " + life.status + "\nhold " +
                       std::string(word_of(life.hold)) + "\ndeadtime " +
                       std::to_string(life.deadtime.count()) + "\nuntil " +
                       std::to_string(life.until.count()) + "\n";
    if (!life.partner.node.empty()) {
        text += "partner " + life.partner.node + "\npartner_generation " +
                std::to_string(life.partner.generation) + "\npartner_sequence " +
                std::to_string(life.partner.sequence) + "\n";
    }
    text += "heard " + std::to_string(life.heard.count()) + "\nheard_us " +
            std::to_string(life.heard_us.count()) + "\nstops_until " +
            std::to_string(life.stops_until.count()) + "\n";
    for (const RunningAgent& agent : life.agents) {
        text += "agent " + std::to_string(agent.process.pid) + " " +
                std::to_string(agent.process.started) + " " +
                std::string(name_of(agent.operation)) + " " + agent.resource + "\n";
    }
    for (const std::string& key : life.groups) {
        text += "group " + key + "\n";
    }
    for (const std::string& key : life.given) {
        text += "given " + key + "\n";
    }
    return text + "end\n";
}

std::optional<Life> parse_life(std::string_view text) {
    Life life;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (end == text.npos) {
            return std::nullopt;
        }
        const std::string_view line = text.substr(0, end);
        if (line == "end") {
            return life;
        }
        const std::size_t blank = line.find(' ');
        if (blank == line.npos || !take_line(line.substr(0, blank), line.substr(blank + 1), life)) {
            return std::nullopt;
        }
        text.remove_prefix(end + 1);
    }
    return std::nullopt;
}

LifeFile::LifeFile(const std::string& run_dir) : path_(run_dir + kLifeName) {
}

// One write() of the whole text, which a kill cannot part; what is left behind it says nothing.
base::Result<void> LifeFile::write(const Life& life) {
    if (!file_.open()) {
        file_ = FileDescriptor(
            ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    }
    std::string text = life_text(life);
    text.resize(std::max(text.size(), size_), '\n');
    size_ = text.size();
    if (file_.open() &&
        ::pwrite(file_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
        failed_ = false;
        return {};
    }
    if (failed_) {
        return {};
    }
    failed_ = true;
    return base::Error{base::ErrorCode::Io,
                       base::format("cannot write %s: %s", path_.c_str(), std::strerror(errno))};
}

void LifeFile::remove() {
    ::unlink(path_.c_str());
    file_ = FileDescriptor();
}

std::optional<Life> LifeFile::read(const std::string& run_dir) {
    return parse_life(read_whole(run_dir + kLifeName));
}

Hold inherited_hold(const std::optional<Life>& life,
                    const std::string& boot,
                    const std::string& node,
                    std::chrono::milliseconds boot_time) {
    if (!life || life->boot != boot || life->node != node || boot_time >= life->until) {
        return Hold::none;
    }
    return life->hold;
}

std::vector<RunningAgent> living_agents(const std::optional<Life>& life, const std::string& boot) {
    std::vector<RunningAgent> living;
    if (!life || life->boot != boot) {
        return living;
    }
    for (const RunningAgent& agent : life->agents) {
        const FileDescriptor process(open_process(agent.process));
        if (process.open()) {
            living.push_back(agent);
            living.back().job = living.size();
        }
    }
    return living;
}

// Who was isolated, and stopped everything, holds nothing.
void inherit_touch(const std::optional<Life>& life,
                   const std::string& boot,
                   const std::string& node,
                   std::chrono::milliseconds boot_time,
                   Start& start) {
    using std::chrono::milliseconds;
    if (!life || life->boot != boot || life->node != node) {
        return;
    }
    start.may_run = life->groups;
    if (life->heard > milliseconds{0}) {
        start.silence = std::max(milliseconds{0}, boot_time - life->heard);
        start.unheard = std::max(milliseconds{0}, boot_time - life->heard_us);
    }
    if (life->stops_until > milliseconds{0}) {
        start.stops_left = life->stops_until - boot_time;
        start.restart_hold = Hold::none;
    }
}

std::string boot_id() {
    std::string id = read_whole("/proc/sys/kernel/random/boot_id");
    id.resize(std::min(id.find('\n'), id.size()));
    return id;
}

}  // namespace hb
