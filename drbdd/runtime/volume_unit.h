// All that one volume has at runtime: its port, its backing disk while attached, its export and its
// device node. Lives on the resource's thread; the node is only touched by jobs of the worker.
#pragma once

#include "drbdd/runtime/frontends.h"
#include "drbdd/runtime/uring_disk.h"
#include "drbdd/runtime/volume_port.h"

#include <memory>
#include <string>

namespace runtime {

struct VolumeUnit {
    VolumeIdentity identity;
    std::string disk_path;  // to be opened at the next attach
    std::unique_ptr<VolumePort> port;
    std::unique_ptr<UringDisk> disk;
    bool disk_closing = false;  // CloseDisk has come; operations may still be outstanding
    bool disk_opening = false;  // an attach is on its way
    std::unique_ptr<Export> export_;
    std::shared_ptr<DeviceNode> node;
    std::string frontend = "none";  // of the node, as it last said
};

}  // namespace runtime
