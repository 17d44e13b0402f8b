// All that one volume has at runtime: its port, its backing disk while attached, its export and its
// device node. Lives on the resource's thread; the node is only touched by jobs of the worker.
#pragma once

#include "drbdd/runtime/backing_device.h"
#include "drbdd/runtime/backing_disk.h"
#include "drbdd/runtime/frontends.h"
#include "drbdd/runtime/volume_port.h"
#include "drbdd/runtime/worker.h"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

namespace runtime {

struct VolumeUnit {
    VolumeIdentity identity;
    DiskPaths disks;  // to be opened at the next attach
    std::unique_ptr<VolumePort> port;
    std::unique_ptr<BackingDisk> disk;
    bool attach_running = false;  // from the opening of the disk to the end of the command
    bool opening = false;         // for the engine, which has not been told yet
    bool leaving = false;         // the volume is being taken out of the resource
    std::unique_ptr<boost::asio::steady_timer> attach_timer;  // for its answer
    std::unique_ptr<Worker> disk_worker;  // opens and closes: a device that hangs holds up no other
    std::unique_ptr<Export> export_;
    std::shared_ptr<DeviceNode> node;
    std::string frontend = "none";  // of the node, as it last said
    std::string frontend_note;
};

}  // namespace runtime
