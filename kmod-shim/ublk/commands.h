// The words of the ublk driver, built and understood. Pure. Block front ends specification, 3.2 to
// 3.4.
#pragma once

#include "base/result.h"
#include "kmod-shim/ublk/abi.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shim::ublk {

enum class Control : std::uint8_t {
    GetDeviceInfo = 0x02,
    AddDevice = 0x04,
    DeleteDevice = 0x05,
    StartDevice = 0x06,
    StopDevice = 0x07,
    SetParameters = 0x08,
    GetParameters = 0x09,
    StartRecovery = 0x10,
    EndRecovery = 0x11,
    GetFeatures = 0x13,
    UpdateSize = 0x15,
};

enum class Io : std::uint8_t { Fetch = 0x20, CommitAndFetch = 0x21 };

// Kernels before 6.4 know plain numbers only, later ones may know only those with the direction and
// the size in them.
enum class Encoding { Plain, Ioctl };

std::uint32_t opcode(Control command, Encoding encoding);
std::uint32_t opcode(Io command, Encoding encoding);

// Refused: what a driver grants to a device, or knows at all, is not enough for us. Without the
// recovery of all requests a killed server would be an I/O error to the device's users.
base::Result<void> check_features(std::uint64_t flags);

// Some kernels crash when a device is added: they must not even be tried. `release` as uname prints
// it. Nothing, or the reason.
std::optional<std::string> known_to_crash(std::string_view release);

struct Geometry {
    std::uint64_t size_bytes = 0;
    std::uint32_t block_bytes = 512;
    std::uint32_t request_bytes_max = 0;
    bool rotational = false;
    bool fua = false;
    bool discard = false;
    bool zeroes = false;
};

Parameters parameters_for(const Geometry& geometry);

// One request of the kernel in bytes.
struct Asked {
    Operation operation = Operation::Read;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool durable = false;
    bool keep_allocated = false;
};

// An errno if it is none that the device with these bounds could have been asked. A flush has no
// valid place.
base::Result<Asked> decode(const IoDescriptor& descriptor,
                           std::uint64_t size_bytes,
                           std::uint32_t request_bytes_max);

// What the kernel keeps for us with the device: that it is ours, of which minor, and which one of
// all that ever were, since the minor does not tell two containers apart, or two daemons.
std::uint64_t make_token(unsigned minor, std::uint64_t random);
std::optional<unsigned> minor_of_token(std::uint64_t token);

std::string token_text(std::uint64_t token);
std::optional<std::uint64_t> parse_token(std::string_view text);

// The N of "ublkbN" or "ublkcN".
std::optional<std::uint32_t> index_of(std::string_view name, std::string_view prefix);

}  // namespace shim::ublk
