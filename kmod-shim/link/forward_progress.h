// A process that the kernel needs in order to clean dirty pages must never wait for clean pages
// itself. Block front ends specification, 3.7.
//
// Not done here, on purpose: a mount namespace of its own. A clone of the present one would hold
// every file system that is mounted now, other replicated volumes among them, and so keep their
// devices busy for ever; and the process that configures the loop device must see our mount. The
// deadlock that a namespace would prevent, a last umount served by the dying server itself, cannot
// happen: an exiting process closes /dev/fuse, which fails the mount's I/O, before it leaves its
// namespace.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace export_link {

// Takes the memory for `heap_bytes` of payload now and keeps it; then marks the process as an I/O
// flusher, locks its memory and protects it from the OOM killer. To be called in the final process,
// after the last fork and before the first request. Returns what was not permitted, in words.
std::vector<std::string> prepare_forward_progress(std::size_t heap_bytes);

}  // namespace export_link
