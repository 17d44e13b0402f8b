// The reader of ha.cf: what is known while its lines are taken one after the other.
#pragma once

#include "config/ha/ha_cf.h"
#include "config/ha/text.h"

#include <string>
#include <string_view>

namespace config {

inline constexpr std::size_t kMaxMedia = 64;  // ping nodes are media too
inline constexpr std::size_t kMaxNodes = 100;
inline constexpr std::size_t kMaxNameBytes = 100;

class HaCfParser {
public:
    HaCfParser(const std::string& file, std::uint16_t default_port, HaParsed<HaCf>& out);

    void take(const ha_text::Line& line);
    void finish();  // the defaults that depend on other directives

    // Called by the table of directives, each with one word or, for the directives that take the
    // whole line, with all that follows.
    void add_node(std::string_view name);
    void add_ucast(std::string_view rest, bool v6);
    void add_bcast(std::string_view interface);
    void add_mcast(std::string_view rest, bool v6);
    void add_serial(std::string_view device);
    void add_ping(std::string_view name, bool v6);
    void add_ping_group(std::string_view rest);
    void add_respawn(std::string_view rest, bool failfast);
    void add_api_auth(std::string_view rest);
    void add_stonith(std::string_view rest);
    void add_stonith_host(std::string_view rest);
    void add_env(std::string_view word);

    void set_time(std::chrono::milliseconds& value, std::string_view word);
    void set_optional_time(std::optional<std::chrono::milliseconds>& value, std::string_view word);
    void set_bool(bool& value, std::string_view word);
    void set_byte(std::uint8_t& value, std::string_view word);
    void set_udpport(std::string_view word);
    void set_baud(std::string_view word);
    void set_auto_failback(std::string_view word);
    void set_nice_failback(std::string_view word);
    void set_logfacility(std::string_view word);
    void set_rtprio(std::string_view word);
    void set_watchdog(std::string_view word);
    void set_max_rexmit_delay(std::string_view word);
    void refuse_crm(std::string_view word);
    void refuse_autojoin(std::string_view word);
    template <typename T>
    void choose(T& value,
                std::string_view word,
                std::initializer_list<std::pair<std::string_view, T>> words);

    void error(const std::string& text);
    void warning(const std::string& text);

    HaCf& conf;
    std::optional<std::chrono::milliseconds> warntime;
    std::optional<std::chrono::milliseconds> initdead;
    std::optional<std::chrono::milliseconds> deadping;

private:
    bool has_room_for_medium();
    void add_medium(HaMedium medium);

    ha_text::Reporter reporter_;
    std::string directive_;
    int line_ = 0;
    bool port_used_ = false;
    bool baud_given_ = false;
    bool crm_given_ = false;
};

template <typename T>
void HaCfParser::choose(T& value,
                        std::string_view word,
                        std::initializer_list<std::pair<std::string_view, T>> words) {
    std::string known;
    for (const auto& [name, meaning] : words) {
        if (word == name) {
            value = meaning;
            return;
        }
        known += (known.empty() ? "" : " or ") + std::string(name);
    }
    error("must be " + known + ", not " + ha_text::quoted(word));
}

}  // namespace config
