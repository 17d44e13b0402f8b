// Who uses a block device: what an operator needs to read when a demotion is refused. There is no
// count to ask the kernel for, so several sources are combined. Block front ends specification,
// 0.1.
#pragma once

#include "base/result.h"
#include "kmod-shim/block_device.h"
#include "kmod-shim/names.h"

#include <string>
#include <sys/types.h>

namespace shim {

// "mounted on /srv/db; open in fio (pid 4711)", or empty if nobody is found: file systems in all
// mount namespaces, swap, holders (LVM, dm, md), and processes that have it open. The calling
// process itself is left out.
std::string known_users(const BlockDevice& device, const std::string& node_name);

// Claims the device for us alone, as a mount would: while the descriptor is open nobody can mount
// it. Busy if it has a user of any kind; the text names `node_path` and the users. Waits half a
// second for udev, if it is the only one.
base::Result<Fd> claim_unused(const BlockDevice& device, const std::string& node_path);

}  // namespace shim
