// Files in memory, and the captures of the original tool.
#pragma once

#include "config/drbd_conf.h"

#include <map>
#include <string>
#include <vector>

class MemoryFiles : public config::FileSource {
public:
    explicit MemoryFiles(std::map<std::string, std::string> files) : files_(std::move(files)) {}

    base::Result<std::string> read(const std::string& path) override {
        const auto found = files_.find(path);
        if (found == files_.end()) {
            return base::Error{base::ErrorCode::NotFound, "Can not open '" + path + "'"};
        }
        return found->second;
    }

    // Only a star at the end of the name before a suffix: "dir/*.res".
    std::vector<std::string> glob(const std::string& pattern) override {
        const std::size_t star = pattern.find('*');
        const std::string before = pattern.substr(0, star);
        const std::string after = pattern.substr(star + 1);
        std::vector<std::string> names;
        for (const auto& [name, text] : files_) {
            if (name.starts_with(before) && name.ends_with(after)) {
                names.push_back(name);
            }
        }
        return names;
    }

    std::string canonical(const std::string& path) override { return path; }

    bool has_address(const std::string& ip) override { return ip == address; }

    std::string address = "10.9.9.1";

private:
    std::map<std::string, std::string> files_;
};

inline config::LoadedConf load(const std::string& text, std::string_view node = "alpha") {
    MemoryFiles files({{"f", text}});
    return config::load_drbd_conf("f", node, files);
}

// A complete resource r0 with `inside` at its start.
inline std::string resource(const std::string& inside) {
    return "resource r0 {\n" + inside +
           "\ndevice /dev/drbd0; disk /dev/vg0/r0; meta-disk internal;\n"
           "on alpha { address 10.9.9.1:7788; }\non beta { address 10.9.9.2:7788; }\n}\n";
}

inline std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

inline config::ResourceSettings settings(const config::LoadedConf& loaded,
                                         std::string_view node = "alpha") {
    const base::Result<config::ResourceSettings> result =
        config::settings_for(loaded.conf, loaded.conf.resources.at(0), node);
    return result.has_value() ? *result : config::ResourceSettings{};
}

// Why a node cannot run the first resource; empty: it can.
inline std::string refusal(const config::LoadedConf& loaded, std::string_view node = "alpha") {
    const auto got = config::settings_for(loaded.conf, loaded.conf.resources.at(0), node);
    return got ? "" : got.error().text;
}
