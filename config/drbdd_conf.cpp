#include "config/drbdd_conf.h"

#include "config/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

namespace config {

namespace {

constexpr std::string_view kFrontends[] = {"auto", "ublk", "nbd", "fuse", "none"};
constexpr std::string_view kPeerAddresses[] = {"configured", "any"};
constexpr std::string_view kPlaintexts[] = {"refused", "allowed"};

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

template <>
std::span<const std::string_view> words<Plaintext>() {
    return kPlaintexts;
}

namespace {

std::string choice_of(std::span<const std::string_view> words) {
    std::string text;
    for (const std::string_view word : words) {
        text += (text.empty() ? "" : " | ") + std::string(word);
    }
    return text;
}

// One statement after the other, each with the place of its mistake.
class Reader {
public:
    Reader(const std::string& name, std::string_view text) : name_(name), lexer_(text) {}

    base::Result<DrbddConf> read() {
        for (Token token = lexer_.next(); token.kind != Token::Kind::End; token = lexer_.next()) {
            if (auto taken = statement(token); !taken) {
                return taken.error();
            }
        }
        if (auto fits = check(); !fits) {
            return fits.error();
        }
        return std::move(conf_);
    }

private:
    base::Result<void> statement(const Token& token) {
        const std::string keyword = token.kind == Token::Kind::Word ? token.text : "";
        if (keyword == "nbd-listen") {
            return take_listen();
        }
        const std::array<std::pair<std::string_view, std::function<base::Result<void>()>>, 5> once{
            {{"frontend", [this] { return take_word(conf_.frontend); }},
             {"peer-address", [this] { return take_word(conf_.peer_address); }},
             {"nbd-tls-certificates", [this] { return take_path(conf_.nbd.tls_certificates); }},
             {"nbd-tls-psk", [this] { return take_path(conf_.nbd.tls_psk); }},
             {"nbd-plaintext", [this] { return take_word(conf_.nbd.plaintext); }}}};
        for (const auto& [known, take] : once) {
            if (keyword != known) {
                continue;
            }
            if (!seen_.insert(keyword).second) {
                return error_at(name_, token, keyword + " is set twice");
            }
            return take();
        }
        return expected(name_,
                        "frontend | peer-address | nbd-listen | nbd-tls-certificates | "
                        "nbd-tls-psk | nbd-plaintext",
                        token);
    }

    base::Result<void> take_end() {
        if (const Token end = lexer_.next(); !end.is(';')) {
            return expected(name_, ";", end);
        }
        return {};
    }

    template <typename Value>
    base::Result<void> take_word(Value& value) {
        const std::span<const std::string_view> known = words<Value>();
        const Token token = lexer_.next();
        const auto found = std::find(known.begin(), known.end(), token.text);
        if (token.kind != Token::Kind::Word || found == known.end()) {
            return expected(name_, choice_of(known), token);
        }
        value = static_cast<Value>(found - known.begin());
        return take_end();
    }

    base::Result<void> take_path(std::string& path) {
        const Token token = lexer_.next();
        if (!token.is_name() || !token.text.starts_with('/')) {
            return expected(name_, "an absolute path", token);
        }
        path = token.text;
        return take_end();
    }

    base::Result<void> take_number(std::uint32_t& number,
                                   std::uint32_t least,
                                   std::uint32_t most,
                                   const char* what) {
        const Token token = lexer_.next();
        const char* end = token.text.data() + token.text.size();
        const auto parsed = std::from_chars(token.text.data(), end, number);
        if (token.kind != Token::Kind::Integer || parsed.ec != std::errc() || parsed.ptr != end ||
            number < least || number > most) {
            return expected(name_,
                            std::string(what) + " from " + std::to_string(least) + " to " +
                                std::to_string(most),
                            token);
        }
        return {};
    }

    // MINOR ADDRESS:PORT, an IPv6 address in brackets.
    base::Result<void> take_listen() {
        std::uint32_t minor = 0;
        if (auto taken = take_number(minor, 0, kMaxMinor, "a minor"); !taken) {
            return taken;
        }
        Token token = lexer_.next();
        const int line = token.line;
        const bool v6 = token.is('[');
        if (v6) {
            token = lexer_.next();
        }
        if (token.kind != (v6 ? Token::Kind::Ipv6 : Token::Kind::Ipv4)) {
            return expected(name_, "an address", token);
        }
        Address address{v6 ? AddressFamily::Ipv6 : AddressFamily::Ipv4, token.text, 0};
        for (const char* next : {"]", ":"}) {
            if (*next == ']' && !v6) {
                continue;
            }
            if (const Token got = lexer_.next(); !got.is(*next)) {
                return expected(name_, next, got);
            }
        }
        std::uint32_t port = 0;
        if (auto taken = take_number(port, 1, 65535, "a port"); !taken) {
            return taken;
        }
        address.port = static_cast<std::uint16_t>(port);
        if (!conf_.nbd.listen.emplace(minor, canonical(std::move(address))).second) {
            return base::Error{base::ErrorCode::Invalid,
                               name_ + ":" + std::to_string(line) + ": nbd-listen " +
                                   std::to_string(minor) + " is set twice"};
        }
        return take_end();
    }

    base::Result<void> check() const {
        const NbdConf& nbd = conf_.nbd;
        const auto wrong = [this](const std::string& text) {
            return base::Error{base::ErrorCode::Invalid, name_ + ": " + text};
        };
        if (nbd.has_tls() && nbd.plaintext == Plaintext::Allowed) {
            return wrong("nbd-plaintext is allowed, and there are keys for TLS: one of both");
        }
        if (!nbd.listen.empty() && !nbd.has_tls() && nbd.plaintext == Plaintext::Refused) {
            return wrong(
                "nbd-listen wants nbd-tls-certificates or nbd-tls-psk; without TLS whoever "
                "reaches the port reads and writes the volume ('nbd-plaintext allowed;')");
        }
        for (auto one = nbd.listen.begin(); one != nbd.listen.end(); ++one) {
            for (auto other = std::next(one); other != nbd.listen.end(); ++other) {
                if (one->second == other->second) {
                    return wrong("nbd-listen " + std::to_string(one->first) + " and " +
                                 std::to_string(other->first) + " have the same address");
                }
            }
        }
        return {};
    }

    const std::string& name_;
    Lexer lexer_;
    std::set<std::string> seen_;
    DrbddConf conf_;
};

}  // namespace

base::Result<DrbddConf> parse_drbdd_conf(const std::string& name, std::string_view text) {
    return Reader(name, text).read();
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
