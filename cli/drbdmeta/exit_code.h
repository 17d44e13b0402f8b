// The exit codes of the original drbdmeta (metadata specification, 6.2 and 12); scripts test them.
#pragma once

namespace drbdmeta {

enum ExitCode : int {
    kOk = 0,
    kFailed = 1,         // no usable metadata, or cancelled
    kInconsistent = 5,   // outdate refused
    kBadValue = 10,      // a value, a dump or an I/O operation
    kUsage = 20,         // command line, not a block device, in use
    kWouldDestroy = 40,  // a filesystem would be cut off
};

}  // namespace drbdmeta
