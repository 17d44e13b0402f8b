// A connection to the NBD export that has come through the handshake and is ready for requests: the
// kernel takes it over then. Structured replies are not asked for, since its driver does not
// understand them. Blocking call. Block front ends specification, 1.1 and 2.1.
#pragma once

#include "base/result.h"
#include "kmod-shim/system.h"

#include <cstdint>
#include <string>

namespace shim {

struct ExportSocket {
    Fd fd;
    std::uint64_t size_bytes = 0;
    std::uint64_t flags = 0;  // NBD's transmission flags
};

// Refused as well: what no block device can be made of (read-only, no size, no flush).
base::Result<ExportSocket> open_export(const std::string& socket_path,
                                       const std::string& export_name,
                                       Deadline deadline);

}  // namespace shim
