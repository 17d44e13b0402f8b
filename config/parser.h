// From text to DrbdConf, before the checks that need the whole. Internal to config/.
#pragma once

#include "config/drbd_conf.h"
#include "config/lexer.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace config {

// Remembers where what must be unique was first used.
class UniqueUses {
public:
    // "FILE:LINE: conflicting use of WHAT 'KEY' ...", or "" if this is the first use.
    std::string use(std::string_view what, const std::string& key, const Place& place);

private:
    std::map<std::string, Place> first_;
};

std::string prefix(const Place& place);  // "file:line: "

class Parser {
public:
    Parser(LoadedConf& out, FileSource& files) : out_(out), files_(files) {}

    void parse_main_file(const std::string& path);

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

    void parse_text(const std::string& name, std::string text);
    void parse_top_level();
    void parse_include(const Token& keyword);
    void parse_global(const Token& keyword);
    void parse_global_statement(GlobalConf& global);
    void parse_common(const Token& keyword);
    void parse_resource(const Token& keyword);
    void parse_resource_statement(ResourceConf& resource);
    void parse_host(ResourceConf& resource, const Token& keyword);
    void parse_host_statement(HostConf& host, const std::string& owner);
    void parse_volume(std::vector<VolumeConf>& volumes, const std::string& owner);
    struct VolumeScope;  // where statements about backing devices go
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
                      std::string_view expected,
                      const std::string& owner);
    std::string take_option_value(const OptionSpec& spec, bool negated);
    void add_option(Options& options,
                    Section section,
                    const OptionSpec& spec,
                    Option option,
                    const std::string& owner);

    LoadedConf& out_;
    FileSource& files_;
    Source* source_ = nullptr;
    UniqueUses uses_;
    std::set<std::string> files_read_;
    std::set<std::string_view> warned_;  // options that were warned of
    bool stopped_ = false;
    Token end_;
};

}  // namespace config
