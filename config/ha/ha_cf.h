// ha.cf: members, media and times of the failover cluster. Heartbeat specification, sections 1.1
// and 1.2. Pure: text in, settings out; whatever needs the machine (interfaces, devices, files) is
// the business of who uses the setting. Node and ping names are in lower case.
#pragma once

#include "config/ha/findings.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace config {

struct HaUcast {
    std::string interface;
    std::string peer;  // address or host name
    std::uint16_t port = 0;
    bool v6 = false;
};

struct HaBcast {
    std::string interface;
    std::uint16_t port = 0;
};

struct HaMcast {
    std::string interface;
    std::string group;
    std::uint16_t port = 0;
    std::uint8_t ttl = 1;  // hops for IPv6
    bool loop = false;
    bool v6 = false;
};

struct HaSerial {
    std::string device;  // absolute path
    std::uint32_t baud = 19200;
};

using HaMedium = std::variant<HaUcast, HaBcast, HaMcast, HaSerial>;

// How the original names the link of a medium: the interface, or the path of the serial device.
const std::string& link_name(const HaMedium& medium);

struct HaPing {
    std::string name;                    // of the pseudo member: the address, or the group's name
    std::vector<std::string> addresses;  // one; several for a ping_group
    bool group = false;
    bool v6 = false;
};

struct HaRespawn {
    std::string user;
    std::string command;  // "/path args..."
    bool failfast = false;
};

struct HaApiAuth {
    std::string client;
    std::vector<std::string> users;   // uid=
    std::vector<std::string> groups;  // gid=
};

struct HaStonith {
    std::string host;  // `stonith_host`: "*" or a node; empty for `stonith`
    std::string type;
    std::string config_file;  // `stonith`
    std::string parameters;   // `stonith_host`
};

enum class AutoFailback { On, Off, Legacy };
enum class HbGenMethod { File, Time };
enum class UuidFrom { File, NodeName };
enum class MsgFmt { Classic, Netstring };

struct HaCf {
    std::vector<std::string> nodes;  // in file order, each once
    std::vector<HaMedium> media;     // in file order
    std::vector<HaPing> pings;       // in file order

    std::chrono::milliseconds keepalive{1000};
    std::chrono::milliseconds deadtime{30000};
    std::chrono::milliseconds warntime{15000};  // defaults that depend on others are filled in
    std::chrono::milliseconds initdead{30000};
    std::chrono::milliseconds deadping{30000};
    bool deadping_given = false;

    std::uint16_t udpport = 694;
    std::uint32_t baud = 19200;
    std::uint8_t hopfudge = 1;
    AutoFailback auto_failback = AutoFailback::Legacy;
    bool auto_failback_given = false;
    MsgFmt msgfmt = MsgFmt::Classic;
    std::chrono::milliseconds max_rexmit_delay{250};
    HbGenMethod hbgenmethod = HbGenMethod::File;
    UuidFrom uuidfrom = UuidFrom::File;
    std::string cluster = "linux-ha";

    std::vector<HaStonith> stonith;  // in file order; see stonith_for()
    std::string watchdog;            // device; empty: none
    std::vector<HaRespawn> respawn;  // respawn and failfast in file order
    std::vector<HaApiAuth> apiauth;
    std::vector<std::pair<std::string, std::string>> env;  // without the prefix "HA_"

    std::string logfile;      // empty: none
    std::string debugfile;    // empty: none
    std::string logfacility;  // empty: none
    std::optional<bool> use_logd;
    bool syslogmsgfmt = true;
    bool log_badpack = true;
    std::uint8_t debug = 0;
    bool realtime = true;
    std::optional<int> rtprio;

    // The value of each simple directive that was given, as it is written (`cl_status
    // hbparameter`).
    std::map<std::string, std::string, std::less<>> parameters;

    bool has_node(std::string_view name) const;  // in any case
};

// `default_port` is what the service ha-cluster/udp says on this machine.
HaParsed<HaCf> parse_ha_cf(const std::string& file,
                           std::string_view text,
                           std::uint16_t default_port = 694);

// The checks before a start that concern several directives. `own_node` is the first line of
// nodeinfo or else `uname -n`, in any case. `file` only starts the texts.
HaFindings check_ha_cf(const std::string& file, const HaCf& conf, std::string_view own_node);

// The fencing device that this node uses: the last of those meant for it. Null: none.
const HaStonith* stonith_for(const HaCf& conf, std::string_view own_node);

// Every directive that is known.
std::vector<std::string_view> ha_cf_directives();

// ASCII only, as the original folds names.
std::string fold_node_name(std::string_view name);

// "2", "1.5", "1500ms", "500us"; no value for anything else, or more than 24 days.
std::optional<std::chrono::milliseconds> parse_ha_time(std::string_view word);
std::optional<bool> parse_ha_bool(std::string_view word);

}  // namespace config
