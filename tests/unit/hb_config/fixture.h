// Reading the four files of the failover daemon in tests.
#pragma once

#include "config/ha/authkeys.h"
#include "config/ha/ha_cf.h"
#include "config/ha/ha_policy.h"
#include "config/ha/haresources.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

inline std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

// Below the top of the source tree.
inline std::string file_text(const std::string& path) {
    std::ifstream file(std::string(DRBDD_SOURCE_DIR) + "/" + path);
    std::stringstream text;
    text << file.rdbuf();
    return file ? text.str() : "cannot be read: " + path;
}

inline config::HaCf ha_cf(const std::string& text) {
    return config::parse_ha_cf("ha.cf", text).value;
}

inline std::string ha_cf_errors(const std::string& text) {
    return joined(config::parse_ha_cf("ha.cf", text).findings.errors);
}

inline std::string ha_cf_warnings(const std::string& text) {
    return joined(config::parse_ha_cf("ha.cf", text).findings.warnings);
}
