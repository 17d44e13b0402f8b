#include "heartbeat/runtime/state_files.h"

#include "heartbeat/runtime/file_descriptor.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

namespace hb {

namespace {

constexpr std::size_t kGenerationDigits = 15;

base::Error failure(const char* what, const std::string& path) {
    return {base::ErrorCode::Io,
            base::format("cannot %s %s: %s", what, path.c_str(), std::strerror(errno))};
}

std::string read_file(const std::string& path, std::size_t limit) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    std::string text(limit, '\0');
    const ssize_t got = file.open() ? ::read(file.get(), text.data(), text.size()) : -1;
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

base::Result<void> sync_folder(const std::string& path) {
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.open() || ::fsync(directory.get()) != 0) {
        return failure("write", folder);
    }
    return {};
}

// Version and variant as RFC 4122 wants them; uuids of other tools look no different.
void mark_uuid(Uuid& uuid, unsigned version) {
    uuid[6] = static_cast<char>((static_cast<unsigned char>(uuid[6]) & 0x0fu) | (version << 4));
    uuid[8] = static_cast<char>((static_cast<unsigned char>(uuid[8]) & 0x3fu) | 0x80u);
}

Uuid uuid_of_name(const std::string& name) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    EVP_Digest(name.data(), name.size(), digest.data(), nullptr, EVP_sha1(), nullptr);
    Uuid uuid;
    std::memcpy(uuid.data(), digest.data(), uuid.size());
    mark_uuid(uuid, 5);
    return uuid;
}

}  // namespace

base::Result<void> replace_file(const std::string& path, std::string_view bytes, int mode) {
    const std::string fresh = path + ".new";
    const FileDescriptor file(::open(fresh.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                                     static_cast<mode_t>(mode)));
    if (!file.open() || ::fchmod(file.get(), static_cast<mode_t>(mode)) != 0 ||
        ::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fsync(file.get()) != 0) {
        return failure("write", fresh);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) {
        return failure("replace", path);
    }
    return sync_folder(path);
}

std::string generation_text(std::uint64_t generation) {
    return base::format("%15llu\n", static_cast<unsigned long long>(generation));
}

std::optional<std::uint64_t> parse_generation(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos || begin > kGenerationDigits) {
        return std::nullopt;
    }
    text.remove_prefix(begin);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool ended = end == text.data() + text.size() || *end == '\n';
    if (error != std::errc() || !ended || value == 0) {
        return std::nullopt;
    }
    return value;
}

base::Result<void> save_generation(const std::string& state_dir, std::uint64_t generation) {
    return replace_file(state_dir + "/hb_generation", generation_text(generation), 0600);
}

base::Result<std::uint64_t> next_generation(const std::string& state_dir,
                                            bool by_time,
                                            std::int64_t wall_seconds,
                                            base::LogSink& log) {
    const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(wall_seconds, 1));
    const auto last = parse_generation(read_file(state_dir + "/hb_generation", 64));
    if (!last) {
        log.write(base::LogLevel::Warning,
                  base::format("No Previous generation - starting at %llu",
                               static_cast<unsigned long long>(now + 1)));
    }
    std::uint64_t generation = last.value_or(now) + 1;
    if (by_time) {
        generation = std::max(now, last.value_or(0) + 1);
    }
    if (auto saved = save_generation(state_dir, generation); !saved) {
        return saved.error();
    }
    log.write(
        base::LogLevel::Info,
        base::format("Heartbeat generation: %llu", static_cast<unsigned long long>(generation)));
    return generation;
}

base::Result<Uuid> node_uuid(const std::string& state_dir,
                             const std::optional<std::string>& from_name,
                             base::LogSink& log) {
    if (from_name) {
        return uuid_of_name(*from_name);
    }
    const std::string path = state_dir + "/hb_uuid";
    Uuid uuid{};
    const std::string stored = read_file(path, uuid.size() + 1);
    if (stored.size() == uuid.size()) {
        std::copy(stored.begin(), stored.end(), uuid.begin());
        return uuid;
    }
    log.write(base::LogLevel::Info, "No uuid found for current node - generating a new uuid.");
    if (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
        return failure("read", "random bytes");
    }
    mark_uuid(uuid, 4);
    if (auto saved = replace_file(path, {uuid.data(), uuid.size()}, 0600); !saved) {
        return saved.error();
    }
    return uuid;
}

}  // namespace hb
