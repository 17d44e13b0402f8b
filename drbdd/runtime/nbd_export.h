// An NBD export as a backing disk: which addresses there are, and a connection to one. Blocks:
// never on a resource's thread. Block front ends specification, section 1.
#pragma once

#include "base/result.h"
#include "drbdd/io/disk.h"
#include "drbdd/runtime/backing_device.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

struct nbd_handle;

namespace runtime {

// "nbd://host:port/name" and the like, as libnbd knows them; config says which.
bool is_export(std::string_view disk);

// A connection, ready for requests, and what its server has said of the export.
struct NbdExport {
    std::shared_ptr<nbd_handle> handle;
    io::DiskGeometry geometry;
    bool can_fua = false;
    bool can_zero = false;

    // Requests that were meant for `other` may go to this one.
    bool stands_in_for(const NbdExport& other) const;
};

// Errors: NotFound (nobody answers, or has no such export), Permission (read-only), TooSmall,
// Unsupported (no flushes, or blocks that are too large), Timeout, Io. `limit` is for the server's
// answers; that a name is resolved may take longer.
base::Result<NbdExport> open_export(const std::string& uri, std::chrono::milliseconds limit);

}  // namespace runtime
