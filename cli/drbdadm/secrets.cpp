#include "cli/drbdadm/secrets.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <sys/stat.h>

namespace drbdadm {

namespace {

constexpr std::string_view kOption = "shared-secret";
constexpr std::string_view kSample = "replace-me";

bool readable_by_others(const std::string& path) {
    struct stat info {};

    return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

}  // namespace

// The words are quoted for a shell: a value ends at the first space without a backslash.
std::string with_stars(std::string words) {
    const std::string option = "--" + std::string(kOption) + "=";
    std::size_t at = 0;
    while ((at = words.find(option, at)) != std::string::npos) {
        at += option.size();
        std::size_t end = at;
        while (end < words.size() && words[end] != ' ') {
            end += words[end] == '\\' ? 2 : 1;
        }
        words.replace(at, std::min(end, words.size()) - at, "***");
    }
    return words;
}

std::vector<std::string> known_secrets(const config::DrbdConf& conf) {
    std::vector<std::string> texts;
    std::set<std::string> seen;
    const auto look = [&](const config::Options& options) {
        for (const config::Option& option : options) {
            const std::string& file = option.place.file;
            if (option.name != kOption || !seen.insert(file).second) {
                continue;
            }
            const std::string place = file + ":" + std::to_string(option.place.line);
            if (readable_by_others(file)) {
                texts.push_back(place +
                                ": every user of this machine can read the shared secret: "
                                "'chmod 600 " +
                                file + "', and choose another one on both nodes");
            } else if (option.value == kSample) {
                texts.push_back(place +
                                ": the shared secret is that of the sample: choose another one on "
                                "both nodes, such as `openssl rand -hex 24` makes");
            }
        }
    };
    if (conf.common) {
        look(conf.common->net);
    }
    for (const config::ResourceConf& resource : conf.resources) {
        if (resource.common != nullptr) {
            look(resource.common->net);  // of its template
        }
        look(resource.net);
        for (const config::MeshConf& mesh : resource.meshes) {
            look(mesh.net);
        }
        for (const config::ConnectionConf& connection : resource.connections) {
            look(connection.net);
        }
    }
    return texts;
}

}  // namespace drbdadm
