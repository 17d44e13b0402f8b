#include "config/ha/authkeys.h"

#include "config/ha/text.h"

#include <algorithm>
#include <array>

namespace config {

using ha_text::quoted;

namespace {

constexpr std::array<std::string_view, 4> kMethods = {"crc", "md5", "sha1", "sha256"};
constexpr std::uint64_t kMaxIndex = 15;

std::string octal(unsigned mode) {
    std::string text = "0";
    for (int shift = 6; shift >= 0; shift -= 3) {
        text += static_cast<char>('0' + ((mode >> shift) & 7));
    }
    return text;
}

class AuthkeysParser {
public:
    AuthkeysParser(Authkeys& keys, ha_text::Reporter& reporter)
        : keys_(keys), reporter_(reporter) {}

    void take(const ha_text::Line& line) {
        const std::vector<std::string> words = ha_text::words_of(line.text);
        // The original looks at the first letter only.
        if (line.text.starts_with('a')) {
            take_auth(line.number, words);
        } else {
            take_key(line.number, words);
        }
    }

    void finish();

private:
    void take_auth(int line, const std::vector<std::string>& words);
    void take_key(int line, const std::vector<std::string>& words);

    Authkeys& keys_;
    ha_text::Reporter& reporter_;
    int auth_line_ = 0;  // 0: none yet
    bool before_auth_ = false;
};

void AuthkeysParser::take_auth(int line, const std::vector<std::string>& words) {
    const auto index = words.size() == 2 ? ha_text::number_of(words[1], kMaxIndex) : std::nullopt;
    if (words[0] != "auth" || !index) {
        return reporter_.error(line, "expected 'auth' and the number of a key from 0 to 15");
    }
    if (auth_line_ != 0) {
        return reporter_.error(line, "auth is already on line " + std::to_string(auth_line_));
    }
    auth_line_ = line;
    keys_.send_index = static_cast<int>(*index);
    before_auth_ = keys_.find(keys_.send_index) != nullptr;
}

// What follows the key is no business of ours, as in the original.
void AuthkeysParser::take_key(int line, const std::vector<std::string>& words) {
    const auto index = ha_text::number_of(words[0], kMaxIndex);
    if (!index) {
        return reporter_.error(line, "a line starts with 'auth' or a number from 0 to 15");
    }
    const auto method =
        words.size() < 2 ? kMethods.end() : std::find(kMethods.begin(), kMethods.end(), words[1]);
    if (method == kMethods.end()) {
        return reporter_.error(line, "the method must be crc, md5, sha1 or sha256");
    }
    AuthKey key{static_cast<int>(*index),
                static_cast<AuthMethod>(method - kMethods.begin()),
                words.size() > 2 ? words[2] : ""};
    if (key.method == AuthMethod::Crc && !key.key.empty()) {
        return reporter_.error(line, "crc takes no key");
    }
    if (key.method != AuthMethod::Crc && key.key.empty()) {
        return reporter_.error(line, std::string(*method) + " needs a key");
    }
    if (key.key == kSampleKey) {
        return reporter_.error(line,
                               "this is the key of the sample, which everybody knows: make one of "
                               "your own, the same on both nodes (head -c 32 /dev/urandom | "
                               "sha256sum | cut -c 1-64)");
    }
    if (keys_.find(key.index) != nullptr) {
        return reporter_.error(line, "number " + std::to_string(key.index) + " is given twice");
    }
    keys_.keys.push_back(std::move(key));
}

void AuthkeysParser::finish() {
    const AuthKey* sending = keys_.sending();
    if (auth_line_ == 0) {
        reporter_.error("no 'auth' line says which key signs: put 'auth NUMBER' first");
    } else if (sending == nullptr) {
        reporter_.error(auth_line_, "there is no key number " + std::to_string(keys_.send_index));
    } else if (before_auth_) {
        reporter_.error(auth_line_, "'auth' must stand before the line of its key: put it first");
    } else if (sending->method == AuthMethod::Crc) {
        reporter_.warning(
            "crc finds transmission errors only: whoever can send to the heartbeat "
            "port controls this cluster");
    } else if (sending->method == AuthMethod::Sha256) {
        reporter_.warning("sha256 is unknown to Heartbeat 3.0.6: both nodes must run this daemon");
    }
    if (keys_.keys.size() > 1) {
        reporter_.warning(
            "has several keys: a Heartbeat 3.0.6 partner checks every message with "
            "the key of its own 'auth' line");
    }
}

}  // namespace

std::string_view name_of(AuthMethod method) {
    return kMethods[static_cast<std::size_t>(method)];
}

const AuthKey* Authkeys::find(int index) const {
    const auto found = std::find_if(
        keys.begin(), keys.end(), [&](const AuthKey& key) { return key.index == index; });
    return found == keys.end() ? nullptr : &*found;
}

HaParsed<Authkeys> parse_authkeys(const std::string& file,
                                  std::string_view text,
                                  unsigned mode,
                                  unsigned owner) {
    HaParsed<Authkeys> parsed;
    ha_text::Reporter reporter(file, parsed.findings);
    if ((mode & 07777) != kAuthkeysMode) {
        reporter.error("Bad permissions on keyfile: mode " + octal(mode) +
                       ", 0600 required (chmod 600 " + file + ")");
    }
    if (owner != 0) {
        reporter.error("belongs to user " + std::to_string(owner) +
                       ", who can change the key: root must own it (chown root " + file + ")");
    }
    AuthkeysParser parser(parsed.value, reporter);
    for (const ha_text::Line& line :
         ha_text::lines_of(text, ha_text::Comments::OwnLine, false, reporter)) {
        parser.take(line);
    }
    if (parsed.ok()) {
        parser.finish();
    }
    return parsed;
}

}  // namespace config
