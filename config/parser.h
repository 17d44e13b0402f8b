// From text to DrbdConf, before the checks that need the whole. Internal to config/.
#pragma once

#include "config/drbd_conf.h"
#include "config/lexer.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace config {

inline constexpr std::uint32_t kMaxVolume = 65535;
inline constexpr std::string_view kOption = "an option keyword";  // what an option section expects

// Remembers where what must be unique was first used.
class UniqueUses {
public:
    // "FILE:LINE: conflicting use of WHAT 'KEY' ...", or "" if this is the first use.
    std::string use(std::string_view what, const std::string& key, const Place& place);

private:
    std::map<std::string, Place> first_;
};

std::string prefix(const Place& place);    // "file:line: "
std::string cut(const std::string& text);  // to 20 characters, as the original shows what it got

class Parser {
public:
    Parser(LoadedConf& out, FileSource& files) : out_(out), files_(files) {}

    void parse_main_file(const std::string& path, const OtherFiles& others = {});

private:
    struct Source {
        std::string name;
        std::string text;
        Lexer lexer;
        std::optional<Token> ahead;
    };

    // After a syntax error nothing more is read: every token is then the end.
    const Token& peek();
    Token take();
    bool accept(char op);
    bool expect(char op);
    Place place_of(const Token& token) const;
    void fail(const Token& token, const std::string& text);
    void fail_expected(std::string_view what, const Token& got);
    void complain(const Place& place, const std::string& text);
    void refuse(std::string_view what, const Place& place);
    void require_unique(std::string_view what, const std::string& key, const Place& place);
    std::uint32_t take_number(std::string_view name, std::uint32_t min, std::uint32_t max);
    std::string take_value(std::string_view what);

    template <typename Statement>
    void parse_block(Statement&& statement);
    void skip_block();

    template <typename Statement>
    void parse_text(const std::string& name, std::string text, Statement&& statement);
    std::string beside(const std::string& path) const;  // relative to the file that is being read
    void parse_top_level();
    void parse_include(const Token& keyword);
    const char* include_limit() const;
    void require_module(const Token& keyword);
    void parse_global(const Token& keyword);
    void parse_global_statement(GlobalConf& global);
    void warn_of_global(const Token& keyword, std::string_view value, std::string_view why);
    void parse_common(const Token& keyword);
    void parse_resource(const Token& keyword);
    void parse_resource_statement(ResourceConf& resource);
    void parse_host(ResourceConf& resource, const Token& keyword);
    void parse_floating(ResourceConf& resource, const Token& keyword);
    void parse_stacked(ResourceConf& resource, const Token& keyword);
    bool parse_connection_statement(ResourceConf& resource, const Token& keyword);
    void parse_connection(ResourceConf& resource, const Place& place);
    void parse_in_connection(ConnectionConf& connection, const std::string& owner);
    EndpointConf parse_endpoint(bool named);
    void parse_template(ResourceConf& resource, const Token& keyword);
    void parse_template_text(const std::string& name, std::string text);
    void parse_mesh(ResourceConf& resource, const Place& place);
    void parse_section(Options& options, Section section);
    void skip_statement();  // to its ";", or over its block
    void parse_host_statement(HostConf& host, const std::string& owner);
    void parse_volume(std::vector<VolumeConf>& volumes, const std::string& owner);

    // Where statements about backing devices go: in a resource or a host they are about volume 0
    // (is_volume false), in `volume N` about that.
    struct VolumeScope {
        std::vector<VolumeConf>& volumes;
        Options& options;  // disk { }
        std::string owner;
        bool is_volume = false;
    };

    bool parse_backing_statement(const VolumeScope& scope);
    void parse_backing_disk(const VolumeScope& scope, const Place& place);
    VolumeConf& volume_in(const VolumeScope& scope, const Place& place);
    void parse_device(VolumeConf& volume);
    void check_device_name(VolumeConf& volume, bool has_minor, const Place& place);
    void parse_meta_disk(VolumeConf& volume, bool flexible, const Place& place);
    void parse_address(HostConf& host);
    bool parse_options_statement(ResourceConf& resource, const Token& keyword);
    void parse_option(std::span<Options* const> lists,
                      std::span<const Section> sections,
                      std::string_view expected);
    std::string take_option_value(const OptionSpec& spec, bool negated);
    void add_option(Options& options, Section section, const OptionSpec& spec, Option option);

    LoadedConf& out_;
    FileSource& files_;
    Source* source_ = nullptr;
    UniqueUses uses_;
    std::set<std::string> files_read_;
    std::size_t bytes_read_ = 0;
    std::size_t depth_ = 0;                         // of the file that is being read
    std::set<std::string_view> warned_;             // options that were warned of
    std::vector<std::string>* refusals_ = nullptr;  // of the resource that is being read
    bool stopped_ = false;
    Token end_;
};

// "{", statements, "}". Each statement takes at least one token or fails.
template <typename Statement>
void Parser::parse_block(Statement&& statement) {
    if (!expect('{')) {
        return;
    }
    while (!stopped_ && !accept('}')) {
        if (peek().kind == Token::Kind::End) {
            fail_expected("}", peek());
            return;
        }
        statement();
    }
}

template <typename Statement>
void Parser::parse_text(const std::string& name, std::string text, Statement&& statement) {
    Source source{name, std::move(text), Lexer(""), std::nullopt};
    source.lexer = Lexer(source.text);
    bytes_read_ += source.text.size();
    ++depth_;
    Source* const outer = std::exchange(source_, &source);
    while (!stopped_ && peek().kind != Token::Kind::End) {
        statement();
    }
    source_ = outer;
    --depth_;
}

}  // namespace config
