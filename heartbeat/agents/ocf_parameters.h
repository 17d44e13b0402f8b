// What an OCF agent gets in its environment instead of arguments. Heartbeat specification, 5.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hb {

using OcfParameters = std::vector<std::pair<std::string, std::string>>;

// `name=value` words become the parameters as they are. Else the words are positional, which works
// for the agents that had a wrapper in the original's resource.d (Filesystem, IPaddr, IPaddr2,
// IPv6addr, SendArp, IPsrcaddr, MailTo, Delay, LVM, apache, db2, Raid1, portblock, WAS) and for
//   ldirectord::configfile
//   iSCSITarget::iqn[::tid[::implementation]]
//   iSCSILogicalUnit::target_iqn::lun::path[::implementation]
//   exportfs::clientspec::directory::fsid[::options]
//   nfsserver[::nfs_shared_infodir]
base::Result<OcfParameters> ocf_parameters(const std::string& agent,
                                           const std::vector<std::string>& args);

// NAME=value lines of HA_DIR/conf/OCF/TYPE/INSTANCE: `#` begins a comment, quotes around a value
// are taken off, an OCF_RESKEY_ in front of the name is optional. Nothing else of the shell is
// known.
base::Result<OcfParameters> parse_ocf_instance(const std::string& file, std::string_view text);

// OCF_ROOT, OCF_RESOURCE_*, OCF_RA_VERSION_* and one OCF_RESKEY_NAME per parameter.
std::vector<std::string> ocf_variables(const std::string& ocf_root,
                                       const std::string& provider,
                                       const std::string& agent,
                                       const std::string& instance,
                                       const OcfParameters& parameters);

}  // namespace hb
