#include "config/drbd_conf.h"

#include "base/log.h"
#include "base/require.h"
#include "config/parser.h"
#include "config/validate.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <glob.h>
#include <ifaddrs.h>
#include <memory>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

namespace config {

namespace {

constexpr std::size_t kMaxFileBytes = 16u << 20;

struct CloseFile {
    void operator()(std::FILE* file) const {
        if (file != stdin) {
            std::fclose(file);
        }
    }
};

}  // namespace

const HostConf* ResourceConf::find_host(std::string_view node) const {
    for (const HostConf& host : hosts) {
        const bool is_named =
            !host.floating &&
            std::find(host.names.begin(), host.names.end(), node) != host.names.end();
        if (host.is_this || is_named) {
            return &host;
        }
    }
    return nullptr;
}

const HostConf* find_named(const ResourceConf& resource, std::string_view name) {
    for (const HostConf& host : resource.hosts) {
        if (std::find(host.names.begin(), host.names.end(), name) != host.names.end()) {
            return &host;
        }
    }
    return nullptr;
}

bool ResourceConf::is_stacked(std::string_view node) const {
    const HostConf* host = find_host(node);
    return host != nullptr && !host->stacked_on.empty();
}

bool ResourceConf::is_in_style_of_9() const {
    return !connections.empty() || !meshes.empty() ||
           std::any_of(
               hosts.begin(), hosts.end(), [](const HostConf& h) { return h.node_id.has_value(); });
}

const Options& ResourceConf::section(Section section) const {
    switch (section) {
        case Section::Net:
            return net;
        case Section::Disk:
            return disk;
        case Section::Options:
            return options;
        case Section::Startup:
            return startup;
        case Section::Handlers:
            break;
    }
    return handlers;
}

Options& ResourceConf::section(Section section) {
    return const_cast<Options&>(std::as_const(*this).section(section));
}

const ResourceConf* DrbdConf::find_resource(std::string_view name) const {
    for (const ResourceConf& resource : resources) {
        if (resource.name == name) {
            return &resource;
        }
    }
    return nullptr;
}

base::Result<std::string> SystemFiles::read(const std::string& path) {
    const auto failed = [&] {
        return base::Error{errno == ENOENT ? base::ErrorCode::NotFound : base::ErrorCode::Io,
                           "Can not open '" + path + "': " + std::strerror(errno)};
    };
    const std::unique_ptr<std::FILE, CloseFile> file(path == "-" ? stdin
                                                                 : std::fopen(path.c_str(), "re"));
    if (!file) {
        return failed();
    }
    std::string text;
    std::array<char, 4096> chunk;
    while (const std::size_t count = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
        text.append(chunk.data(), count);
        if (text.size() > kMaxFileBytes) {
            return base::Error{base::ErrorCode::TooBig,
                               "'" + path + "' has more than 16 MiB: no configuration file"};
        }
    }
    if (std::ferror(file.get()) != 0) {
        return failed();
    }
    return text;
}

std::vector<std::string> SystemFiles::glob(const std::string& pattern) {
    std::vector<std::string> names;
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
        names.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
    return names;
}

std::string SystemFiles::canonical(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr),
                                                               &std::free);
    return resolved ? std::string(resolved.get()) : path;
}

bool SystemFiles::has_address(const std::string& ip) {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) {
        return false;
    }
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, &::freeifaddrs);
    const std::string plain = ip.substr(0, ip.find('%'));  // without the scope
    std::array<std::uint8_t, sizeof(in6_addr)> wanted{};
    const bool v6 = plain.find(':') != std::string::npos;
    if (::inet_pton(v6 ? AF_INET6 : AF_INET, plain.c_str(), wanted.data()) != 1) {
        return false;
    }
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != (v6 ? AF_INET6 : AF_INET)) {
            continue;
        }
        const void* bytes =
            v6 ? static_cast<const void*>(
                     &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr)
               : static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr);
        if (std::memcmp(bytes, wanted.data(), v6 ? sizeof(in6_addr) : sizeof(in_addr)) == 0) {
            return true;
        }
    }
    return false;
}

LoadedConf load_drbd_conf(const std::string& path,
                          std::string_view node,
                          FileSource& files,
                          const OtherFiles& others) {
    LoadedConf loaded;
    Parser parser(loaded, files);
    parser.parse_main_file(path, others);
    if (!loaded.syntax_error) {
        validate(loaded, node);
    }
    return loaded;
}

std::string default_drbd_conf() {
    constexpr const char* kNames[] = {
        "drbd-84.conf", "drbd-83.conf", "drbd-82.conf", "drbd-08.conf", "drbd.conf"};
    std::string path;
    for (const char* name : kNames) {
        path = std::string("/etc/") + name;
        if (::access(path.c_str(), F_OK) == 0) {
            break;
        }
    }
    return path;
}

}  // namespace config
