#include "config/drbdd_conf.h"

#include "config/lexer.h"

#include <algorithm>

namespace config {

namespace {

constexpr std::string_view kFrontends[] = {"auto", "fuse", "nbd", "none"};

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

base::Result<DrbddConf> parse_drbdd_conf(const std::string& name, std::string_view text) {
    DrbddConf conf;
    bool has_frontend = false;
    Lexer lexer(text);
    for (Token token = lexer.next(); token.kind != Token::Kind::End; token = lexer.next()) {
        if (!token.is("frontend")) {
            return expected(name, "frontend", token);
        }
        if (has_frontend) {
            return error_at(name, token, "frontend is set twice");
        }
        has_frontend = true;
        const Token value = lexer.next();
        const auto found = std::find(std::begin(kFrontends), std::end(kFrontends), value.text);
        if (value.kind != Token::Kind::Word || found == std::end(kFrontends)) {
            return expected(name, "auto | fuse | nbd | none", value);
        }
        conf.frontend = static_cast<Frontend>(found - std::begin(kFrontends));
        if (const Token end = lexer.next(); !end.is(';')) {
            return expected(name, ";", end);
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
