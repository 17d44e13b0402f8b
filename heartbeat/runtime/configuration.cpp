#include "heartbeat/runtime/configuration.h"

#include "base/log.h"
#include "base/result.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <utility>

namespace hb {

namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;
constexpr std::uint16_t kDefaultPort = 694;

struct File {
    std::string text;
    unsigned mode = 0;
    unsigned owner = 0;  // root, also for ourselves
};

base::Result<File> read_file(const std::string& path) {
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));

    struct stat found {};

    if (!fd.open() || ::fstat(fd.get(), &found) != 0) {
        return base::Error{
            errno == ENOENT ? base::ErrorCode::NotFound : base::ErrorCode::Io,
            base::format("%s: cannot read it: %s", path.c_str(), std::strerror(errno))};
    }
    File file;
    file.mode = found.st_mode & 07777u;
    file.owner = found.st_uid == ::geteuid() ? 0 : found.st_uid;
    std::array<char, 16 * 1024> piece;
    ssize_t got = 0;
    while ((got = ::read(fd.get(), piece.data(), piece.size())) > 0) {
        file.text.append(piece.data(), static_cast<std::size_t>(got));
        if (file.text.size() > kMaxFileBytes) {
            return base::Error{base::ErrorCode::TooBig, path + ": more than 1 MiB"};
        }
    }
    if (got < 0) {
        return base::Error{
            base::ErrorCode::Io,
            base::format("%s: cannot read it: %s", path.c_str(), std::strerror(errno))};
    }
    return file;
}

File read_or_complain(const std::string& path, config::HaFindings& findings) {
    auto file = read_file(path);
    if (!file) {
        findings.errors.push_back(file.error().text);
        return {};
    }
    return std::move(*file);
}

std::uint16_t service_port() {
    const servent* service = ::getservbyname("ha-cluster", "udp");
    return service == nullptr ? kDefaultPort : ntohs(static_cast<std::uint16_t>(service->s_port));
}

void load_policy(const std::string& path, LoadedConfiguration& loaded) {
    Settings& settings = loaded.value.settings;
    auto file = read_file(path);
    if (!file) {
        if (file.error().code != base::ErrorCode::NotFound) {
            loaded.findings.errors.push_back(file.error().text);
        }
        return;
    }
    loaded.value.other_text += file->text;
    auto policy = config::parse_ha_policy(path, file->text);
    loaded.findings.add(policy.findings);
    settings.policy = std::move(policy.value);
    loaded.findings.add(
        config::check_ha_policy(path, settings.policy, settings.ha_cf, settings.resources));
}

}  // namespace

std::string own_node_name(const std::string& ha_dir) {
    if (const auto file = read_file(ha_dir + "/nodeinfo")) {
        const std::string line = file->text.substr(0, file->text.find_first_of("\r\n"));
        if (!line.empty()) {
            return config::fold_node_name(line);
        }
    }
    utsname name{};
    ::uname(&name);
    return config::fold_node_name(name.nodename);
}

LoadedConfiguration load_configuration(const std::string& ha_dir, const std::string& node) {
    LoadedConfiguration loaded;
    Settings& settings = loaded.value.settings;
    config::HaFindings& findings = loaded.findings;
    settings.node = node.empty() ? own_node_name(ha_dir) : config::fold_node_name(node);

    const std::string ha_cf_path = ha_dir + "/ha.cf";
    const File ha_cf_file = read_or_complain(ha_cf_path, findings);
    if (findings.ok()) {
        auto ha_cf = config::parse_ha_cf(ha_cf_path, ha_cf_file.text, service_port());
        findings.add(ha_cf.findings);
        settings.ha_cf = std::move(ha_cf.value);
        findings.add(config::check_ha_cf(ha_cf_path, settings.ha_cf, settings.node));
    }
    const std::string keys_path = ha_dir + "/authkeys";
    config::HaFindings key_findings;
    const File keys_file = read_or_complain(keys_path, key_findings);
    if (key_findings.ok()) {
        auto keys =
            config::parse_authkeys(keys_path, keys_file.text, keys_file.mode, keys_file.owner);
        key_findings.add(keys.findings);
        loaded.value.keys = std::move(keys.value);
    }
    findings.add(key_findings);

    const std::string resources_path = ha_dir + "/haresources";
    config::HaFindings resource_findings;
    const File resources_file = read_or_complain(resources_path, resource_findings);
    if (resource_findings.ok()) {
        auto resources = config::parse_haresources(resources_path, resources_file.text);
        resource_findings.add(resources.findings);
        settings.resources = std::move(resources.value);
        resource_findings.add(
            config::check_haresources(resources_path, settings.resources, settings.ha_cf));
    }
    findings.add(resource_findings);
    loaded.value.other_text = resources_file.text + '\n';
    load_policy(ha_dir + "/ha_policy.cf", loaded);

    loaded.value.ha_cf_text = ha_cf_file.text;
    loaded.value.authkeys_text = keys_file.text;
    return loaded;
}

}  // namespace hb
