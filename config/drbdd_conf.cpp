#include "config/drbdd_conf.h"

#include "config/lexer.h"

#include <algorithm>
#include <set>
#include <type_traits>

namespace config {

namespace {

constexpr std::string_view kFrontends[] = {"auto", "ublk", "nbd", "fuse", "none"};
constexpr std::string_view kPeerAddresses[] = {"configured", "any"};

base::Error error_at(const std::string& file, const Token& token, const std::string& text) {
    return {base::ErrorCode::Invalid, file + ":" + std::to_string(token.line) + ": " + text};
}

base::Error expected(const std::string& file, const std::string& what, const Token& got) {
    if (got.kind == Token::Kind::Bad) {
        return error_at(file, got, got.text);
    }
    return error_at(
        file, got, "Parse error: '" + what + "' expected,\n\tbut got '" + got.text + "'");
}

}  // namespace

template <>
std::span<const std::string_view> words<Frontend>() {
    return kFrontends;
}

template <>
std::span<const std::string_view> words<PeerAddress>() {
    return kPeerAddresses;
}

namespace {

std::string choice_of(std::span<const std::string_view> words) {
    std::string text;
    for (const std::string_view word : words) {
        text += (text.empty() ? "" : " | ") + std::string(word);
    }
    return text;
}

// The word after a statement's name, and its semicolon.
template <typename Value>
base::Result<Value> take_value(const std::string& name, Lexer& lexer) {
    const std::span<const std::string_view> known = words<Value>();
    const Token value = lexer.next();
    const auto found = std::find(known.begin(), known.end(), value.text);
    if (value.kind != Token::Kind::Word || found == known.end()) {
        return expected(name, choice_of(known), value);
    }
    if (const Token end = lexer.next(); !end.is(';')) {
        return expected(name, ";", end);
    }
    return static_cast<Value>(found - known.begin());
}

}  // namespace

base::Result<DrbddConf> parse_drbdd_conf(const std::string& name, std::string_view text) {
    DrbddConf conf;
    std::set<std::string> seen;
    Lexer lexer(text);
    const auto take = [&](auto& option) -> base::Result<void> {
        auto value = take_value<std::decay_t<decltype(option)>>(name, lexer);
        if (!value) {
            return value.error();
        }
        option = *value;
        return {};
    };
    for (Token token = lexer.next(); token.kind != Token::Kind::End; token = lexer.next()) {
        const bool is_frontend = token.is("frontend");
        if (!is_frontend && !token.is("peer-address")) {
            return expected(name, "frontend | peer-address", token);
        }
        if (!seen.insert(token.text).second) {
            return error_at(name, token, token.text + " is set twice");
        }
        if (auto taken = is_frontend ? take(conf.frontend) : take(conf.peer_address); !taken) {
            return taken.error();
        }
    }
    return conf;
}

base::Result<DrbddConf> load_drbdd_conf(const std::string& path,
                                        bool must_exist,
                                        FileSource& files) {
    const base::Result<std::string> text = files.read(path);
    if (text) {
        return parse_drbdd_conf(path, *text);
    }
    if (must_exist || text.error().code != base::ErrorCode::NotFound) {
        return text.error();
    }
    return DrbddConf{};
}

}  // namespace config
