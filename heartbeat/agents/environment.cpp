#include "heartbeat/agents/environment.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace hb {

namespace {

constexpr const char* kSearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool is_shell_name(const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_';
    });
}

void add_if_set(std::vector<std::string>& out, const char* name, const std::string& value) {
    if (!value.empty()) {
        out.push_back(std::string(name) + "=" + value);
    }
}

}  // namespace

std::vector<std::string> agent_environment(const AgentEnvironment& values) {
    std::vector<std::string> out = values.inherited;
    const std::string tools = values.tool_dir.empty() ? "" : values.tool_dir + ":";
    out.push_back("PATH=" + tools + kSearchPath);
    out.push_back("LC_ALL=C");
    out.push_back("HA_DIR=" + values.ha_dir);
    out.push_back("HA_FUNCS=" + values.ha_dir + "/shellfuncs");
    out.push_back("HA_RCDIR=" + values.ha_dir + "/rc.d");
    out.push_back("HA_RESOURCEDIR=" + values.ha_dir + "/resource.d");
    out.push_back("HA_BIN=/usr/libexec/heartbeat");
    out.push_back("HA_NOARCHBIN=/usr/share/heartbeat");
    out.push_back("HA_FIFO=" + values.fifo);
    out.push_back("HA_CURHOST=" + values.node);
    out.push_back("HA_OSTATUS=" + values.own_status);
    if (!values.partner.empty()) {
        out.push_back("HA_PARTNER=" + values.partner);
    }
    out.push_back(std::string("HA_LOGD=") + (values.use_logd ? "yes" : "no"));
    out.push_back("HA_DATEFMT=%Y/%m/%d_%T ");
    if (values.coordinated) {
        out.push_back("HA_NICEFAILBACK=yes");
    }
    add_if_set(out, "HA_LOGFILE", values.log_file);
    add_if_set(out, "HA_DEBUGLOG", values.debug_file);
    add_if_set(out, "HA_LOGFACILITY", values.log_facility);
    if (values.debug > 0) {
        out.push_back("HA_debug=" + std::to_string(values.debug));
    }
    return with_message_fields(std::move(out), values.extra);
}

std::vector<std::string> inherited_variables(const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (const std::string& name : names) {
        if (const char* value = std::getenv(name.c_str())) {
            out.push_back(name + "=" + value);
        }
    }
    return out;
}

std::vector<std::string> with_message_fields(
    std::vector<std::string> base, const std::vector<std::pair<std::string, std::string>>& fields) {
    for (const auto& [name, value] : fields) {
        if (is_shell_name(name) && value.find('\0') == std::string::npos) {
            base.push_back("HA_" + name + "=" + value);
        }
    }
    return base;
}

}  // namespace hb
