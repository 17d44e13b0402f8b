#include "kmod-shim/block_device.h"

#include "kmod-shim/names.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

using base::Result;

std::optional<std::string> sys_text(const std::string& name, const std::string& attribute) {
    auto text = read_file("/sys/block/" + name + "/" + attribute);
    if (text && text->ends_with('\n')) {
        text->pop_back();
    }
    return text;
}

std::optional<BlockDevice> block_device(const std::string& name) {
    const auto text = sys_text(name, "dev");
    const auto number = text ? parse_device_number(*text) : std::nullopt;
    if (!number) {
        return std::nullopt;
    }
    return BlockDevice{name, *number};
}

Result<Fd> open_block(const std::string& name, int flags) {
    const std::string path = "/dev/" + name;
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
    if (!fd && errno == ENOENT) {
        const auto device = block_device(name);
        if (device && ::mknod(path.c_str(), S_IFBLK | 0660, device->number) == 0) {
            fd = Fd(::open(path.c_str(), flags | O_CLOEXEC));
        }
    }
    if (!fd) {
        return system_error("cannot open " + path);
    }
    return fd;
}

}  // namespace shim
