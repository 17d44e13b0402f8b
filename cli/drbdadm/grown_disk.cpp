#include "cli/drbdadm/grown_disk.h"

#include "drbdd/control/messages.h"

namespace drbdadm {

// The daemon has looked, and found nothing at the end of the disk.
bool moved_metadata(Context& context, const config::VolumeConf& volume, int code) {
    return code == control::err::kMdIndexInvalid && meta_index(volume) == "internal" &&
           run_drbdmeta(context, volume, "check-resize", {}, true) == 0;
}

}  // namespace drbdadm
