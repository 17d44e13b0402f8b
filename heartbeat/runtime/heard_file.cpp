#include "heartbeat/runtime/heard_file.h"

#include "heartbeat/runtime/state_files.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>
#include <utility>

namespace hb {

namespace {

constexpr const char* kHeardName = "/hb_heard";

std::string_view next_word(std::string_view& text) {
    const std::size_t end = text.find_first_of(" \n");
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    return word;
}

bool take_number(std::string_view word, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc() && end == word.data() + word.size();
}

}  // namespace

std::string heard_text(const Heard& heard) {
    return heard.node + " " + std::to_string(heard.generation) + " " +
           std::to_string(heard.sequence) + "\n";
}

std::optional<Heard> parse_heard(std::string_view text) {
    Heard heard;
    heard.node = next_word(text);
    if (heard.node.empty() || !take_number(next_word(text), heard.generation) ||
        !take_number(next_word(text), heard.sequence)) {
        return std::nullopt;
    }
    return heard;
}

Heard later_of(const Heard& a, const Heard& b) {
    if (a.node.empty() || b.node.empty()) {
        return a.node.empty() ? b : a;
    }
    return std::pair(a.generation, a.sequence) < std::pair(b.generation, b.sequence) ? b : a;
}

HeardFile::HeardFile(std::string state_dir) : path_(std::move(state_dir) + kHeardName) {
}

Heard HeardFile::load(const std::string& state_dir) {
    std::ifstream file(state_dir + kHeardName);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return parse_heard(text).value_or(Heard{});
}

void HeardFile::note(const Heard& heard, std::chrono::milliseconds now) {
    latest_ = heard;
    const bool due = heard.generation != written_.generation || now - written_at_ >= kEvery;
    if (heard.node.empty() || heard.generation == 0 || !due || writing_->exchange(true)) {
        return;
    }
    written_ = heard;
    written_at_ = now;
    try {
        std::thread([path = path_, text = heard_text(heard), writing = writing_] {
            (void)replace_file(path, text, 0600);
            *writing = false;
        }).detach();
    } catch (const std::system_error&) {
        *writing_ = false;  // no thread to be had: later
    }
}

void HeardFile::close() {
    if (!latest_.node.empty() && latest_.generation != 0 && !*writing_) {
        (void)replace_file(path_, heard_text(latest_), 0600);
    }
}

}  // namespace hb
