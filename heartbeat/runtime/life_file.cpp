#include "heartbeat/runtime/life_file.h"

#include "base/log.h"
#include "heartbeat/engine/hold.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
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
        {"group", [&] { return take(value, life.groups.emplace_back()); }},
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
    for (const std::string& key : life.groups) {
        text += "group " + key + "\n";
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

std::string boot_id() {
    std::string id = read_whole("/proc/sys/kernel/random/boot_id");
    id.resize(std::min(id.find('\n'), id.size()));
    return id;
}

// Goes on while the machine sleeps.
std::chrono::milliseconds boot_time() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000);
}

}  // namespace hb
