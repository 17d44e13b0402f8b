#include "config/parser.h"

#include <algorithm>
#include <array>
#include <compare>
#include <tuple>
#include <utility>

namespace config {

namespace {

constexpr std::size_t kMaxIncludedFiles = 1024;
constexpr std::size_t kMaxIncludeDepth = 32;  // files that include the next one
constexpr std::size_t kMaxBytesInAll = std::size_t{16} << 20;

constexpr std::string_view kModuleVersion = "require-drbd-module-version-";
constexpr std::array<std::uint64_t, 3> kOurModule = {8, 4, 11};  // what programs are told it is

constexpr std::string_view kTopLevel = "global | common | resource | skip | include";
constexpr std::string_view kGlobalStatement =
    "dialog-refresh | minor-count | disable-ip-verification";

// "9.0.16"; nothing if it is no version.
std::optional<std::array<std::uint64_t, 3>> version_of(const std::string& text) {
    std::array<std::uint64_t, 3> version{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < version.size(); ++i) {
        const std::size_t end = i + 1 < version.size() ? text.find('.', at) : text.size();
        if (end == std::string::npos) {
            return std::nullopt;
        }
        const Number number = parse_number(text.substr(at, end - at), ' ');
        if (number.problem != Number::Problem::None || number.value > 255) {
            return std::nullopt;
        }
        version[i] = number.value;
        at = end + 1;
    }
    return version;
}

// The sign of "ge", and whether it is true of `order`; empty: there is no such word.
std::string_view sign_of(std::string_view word, std::strong_ordering order, bool& holds) {
    const std::tuple<std::string_view, std::string_view, bool> all[] = {
        {"eq", "==", order == 0},
        {"ne", "!=", order != 0},
        {"gt", ">", order > 0},
        {"ge", ">=", order >= 0},
        {"lt", "<", order < 0},
        {"le", "<=", order <= 0},
    };
    for (const auto& [name, sign, is_so] : all) {
        if (name == word) {
            holds = is_so;
            return sign;
        }
    }
    return {};
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

}  // namespace

std::string cut(const std::string& text) {
    return text.size() > 20 ? text.substr(0, 20) + "..." : text;
}

std::string prefix(const Place& place) {
    return place.file + ":" + std::to_string(place.line) + ": ";
}

std::string UniqueUses::use(std::string_view what, const std::string& key, const Place& place) {
    const std::string named = std::string(what) + " '" + key + "'";
    const auto [first, is_new] = first_.emplace(named, place);
    if (is_new) {
        return "";
    }
    return prefix(place) + "conflicting use of " + named + " ...\n" + prefix(first->second) +
           named + " first used here.";
}

// --- Tokens and complaints ---

const Token& Parser::peek() {
    if (stopped_) {
        return end_;
    }
    if (!source_->ahead) {
        source_->ahead = source_->lexer.next();
    }
    if (source_->ahead->kind == Token::Kind::Bad) {
        fail(*source_->ahead, source_->ahead->text);
        return end_;
    }
    return *source_->ahead;
}

Token Parser::take() {
    Token token = peek();
    if (!stopped_) {
        source_->ahead.reset();
    }
    return token;
}

bool Parser::accept(char op) {
    if (!peek().is(op)) {
        return false;
    }
    take();
    return true;
}

// When one certain token was wanted the original adds the number of the token that it got; for
// operators that is the character, the other numbers are its own affair.
bool Parser::expect(char op) {
    if (accept(op)) {
        return true;
    }
    const Token& got = peek();
    if (!stopped_) {
        std::string text = "Parse error: '" + std::string(1, op) + "' expected,\n\tbut got '" +
                           cut(got.text) + "'";
        if (got.kind == Token::Kind::Operator) {
            text += " (TK " + std::to_string(static_cast<unsigned char>(got.text[0])) + ")";
        }
        fail(got, text);
    }
    return false;
}

Place Parser::place_of(const Token& token) const {
    return {source_->name, token.line};
}

void Parser::fail(const Token& token, const std::string& text) {
    if (!stopped_) {
        stopped_ = true;
        out_.syntax_error = true;
        out_.errors.push_back(prefix(place_of(token)) + text);
    }
}

void Parser::fail_expected(std::string_view what, const Token& got) {
    fail(got,
         "Parse error: '" + std::string(what) + "' expected,\n\tbut got '" + cut(got.text) + "'");
}

void Parser::complain(const Place& place, const std::string& text) {
    if (!stopped_) {
        out_.errors.push_back(prefix(place) + text);
    }
}

void Parser::refuse(std::string_view what, const Place& place) {
    if (!stopped_) {
        refusals_->push_back(prefix(place) + std::string(what) +
                             " is known but not supported by this version of drbdd");
    }
}

void Parser::require_unique(std::string_view what, const std::string& key, const Place& place) {
    const std::string conflict = uses_.use(what, key, place);
    if (!conflict.empty() && !stopped_) {
        out_.errors.push_back(conflict);
    }
}

std::uint32_t Parser::take_number(std::string_view name, std::uint32_t min, std::uint32_t max) {
    const Token token = take();
    if (token.kind != Token::Kind::Integer) {
        fail_expected("number of " + std::string(name), token);
        return min;
    }
    const Number number = parse_number(token.text, ' ');
    if (number.value < min || number.value > max) {
        complain(place_of(token),
                 std::string(name) + " " + token.text + " => " + std::to_string(number.value) +
                     " out of range [" + std::to_string(min) + ".." + std::to_string(max) + "].");
        return min;
    }
    return static_cast<std::uint32_t>(number.value);
}

std::string Parser::take_value(std::string_view what) {
    const Token token = take();
    if (!token.is_value()) {
        fail_expected(what, token);
    }
    return token.text;
}

// Everything up to "{" and from there to its "}".
void Parser::skip_block() {
    while (!stopped_ && !peek().is('{')) {
        if (const Token token = take(); token.kind == Token::Kind::End) {
            fail_expected("[ some_text ] {", token);
        }
    }
    int depth = 0;
    do {
        const Token token = take();
        depth += token.is('{') ? 1 : token.is('}') ? -1 : 0;
        if (token.kind == Token::Kind::End) {
            fail_expected("}", token);
        }
    } while (!stopped_ && depth > 0);
}

// --- Files ---

void Parser::parse_main_file(const std::string& path, const OtherFiles& others) {
    out_.conf.file = files_.canonical(path);
    if (!others.without.empty()) {
        files_read_.insert(files_.canonical(others.without));
    }
    for (const std::string& name : {path, others.also}) {
        if (name.empty() || !files_read_.insert(files_.canonical(name)).second) {
            continue;
        }
        base::Result<std::string> text = files_.read(name);
        if (!text) {
            out_.unreadable = true;
            out_.errors.push_back(text.error().text);
            return;
        }
        parse_text(name, std::move(*text), [&] { parse_top_level(); });
    }
}

void Parser::parse_top_level() {
    const Token keyword = take();
    if (keyword.is("global")) {
        parse_global(keyword);
    } else if (keyword.is("common")) {
        parse_common(keyword);
    } else if (keyword.is("resource")) {
        parse_resource(keyword);
    } else if (keyword.is("skip")) {
        skip_block();
    } else if (keyword.is("include")) {
        parse_include(keyword);
    } else if (keyword.kind == Token::Kind::Word && keyword.text.starts_with(kModuleVersion)) {
        require_module(keyword);
    } else {
        fail_expected(kTopLevel, keyword);
    }
}

// What is too much to go on with; null: nothing. Names can lead to one file without end, through
// links of a directory to itself for example.
const char* Parser::include_limit() const {
    return files_read_.size() > kMaxIncludedFiles + 1 ? "more than 1024 included files"
           : depth_ >= kMaxIncludeDepth   ? "more than 32 files that include one another"
           : bytes_read_ > kMaxBytesInAll ? "more than 16 MiB in all files together"
                                          : nullptr;
}

std::string Parser::beside(const std::string& path) const {
    return path.starts_with('/') ? path : directory_of(source_->name) + path;
}

// A file is read once however often it is included, which also ends a circle of includes.
void Parser::parse_include(const Token& keyword) {
    const std::string pattern = take_value("file name");
    if (!expect(';')) {
        return;
    }
    const std::string from = beside(pattern);
    const bool has_magic = pattern.find_first_of("*?[") != std::string::npos;
    const std::vector<std::string> names =
        has_magic ? files_.glob(from) : std::vector<std::string>{from};
    for (const std::string& name : names) {
        if (!files_read_.insert(files_.canonical(name)).second) {
            continue;
        }
        if (const char* limit = include_limit()) {
            fail(keyword, limit);
            return;
        }
        base::Result<std::string> text = files_.read(name);
        if (text) {
            parse_text(name, std::move(*text), [&] { parse_top_level(); });
        } else {
            complain(place_of(keyword), "Failed to open include file '" + pattern + "'.");
        }
    }
}

// For a file of 9: where it asks for a module that this is not, its resources are not brought up.
void Parser::require_module(const Token& keyword) {
    const Token token = take();
    const auto wanted = version_of(token.text);
    if (!wanted) {
        fail_expected("module version number", token);
        return;
    }
    bool holds = false;
    const std::string_view word = std::string_view(keyword.text).substr(kModuleVersion.size());
    const std::string_view sign = sign_of(word, kOurModule <=> *wanted, holds);
    if (sign.empty()) {
        fail_expected(kTopLevel, keyword);
    } else if (!holds) {
        out_.conf.refusals.push_back(prefix(place_of(keyword)) +
                                     "Validation error: drbd-module-version 8.4.11 " +
                                     std::string(sign) + " " + token.text + " not true");
    }
    expect(';');
}

// --- global, common ---

void Parser::parse_global(const Token& keyword) {
    require_unique("global section", "global", place_of(keyword));
    GlobalConf& global = out_.conf.global.emplace();
    global.place = place_of(keyword);
    parse_block([&] { parse_global_statement(global); });
}

void Parser::parse_global_statement(GlobalConf& global) {
    const Token keyword = take();
    const auto number = [&](std::uint32_t min, std::uint32_t max) {
        return take_number(keyword.text, min, max);
    };
    constexpr std::string_view kQuick = "the daemon answers every command within a second";
    if (keyword.is("disable-ip-verification")) {
        global.disable_ip_verification = true;
    } else if (keyword.is("udev-always-use-vnr")) {
        global.udev_always_use_vnr = true;
    } else if (keyword.is("minor-count")) {
        global.minor_count = number(1, 255);
        warn_of_global(keyword, "", "there is no limit but that of the minors, 1048575");
    } else if (keyword.is("dialog-refresh")) {
        global.dialog_refresh = number(0, 600);
        warn_of_global(keyword, "", "wait-con-int has no dialog that would be drawn again");
    } else if (keyword.is("cmd-timeout-short")) {
        global.cmd_timeout_short = number(0, 900);
        warn_of_global(keyword, "", kQuick);
    } else if (keyword.is("cmd-timeout-medium")) {
        global.cmd_timeout_medium = number(0, 900);
        warn_of_global(keyword, "", kQuick);
    } else if (keyword.is("cmd-timeout-long")) {
        global.cmd_timeout_long = number(0, 900);
    } else if (keyword.is("usage-count")) {
        const Token value = take();
        if (!value.is("yes") && !value.is("no") && !value.is("ask")) {
            fail_expected("yes | no | ask", value);
        }
        global.usage_count = value.text;
        if (!value.is("no")) {
            warn_of_global(keyword, value.text, "nothing is ever reported to anybody");
        }
    } else {
        fail_expected(kGlobalStatement, keyword);
    }
    expect(';');
}

void Parser::warn_of_global(const Token& keyword, std::string_view value, std::string_view why) {
    if (!stopped_) {
        out_.warnings.push_back(
            prefix(place_of(keyword)) + "WARN: option '" + keyword.text +
            (value.empty() ? "" : " " + std::string(value)) +
            "' of section 'global' is accepted and has no effect here: " + std::string(why));
    }
}

void Parser::parse_common(const Token& keyword) {
    const Place place = place_of(keyword);
    require_unique("common section", "common", place);
    ResourceConf& common = out_.conf.common.emplace();
    common.place = place;
    refusals_ = &common.refusals;
    parse_block([&] { parse_resource_statement(common); });
    if (!common.hosts.empty()) {
        complain(place, "in the common section, there are no host sections allowed.");
    }
}

}  // namespace config
