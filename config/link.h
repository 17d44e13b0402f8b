// The connection of two hosts, whichever of 8.4's and 9's styles it is written in. Internal to
// config/.
#pragma once

#include "config/drbd_conf.h"

#include <vector>

namespace config {

struct Link {
    Address address;
    Address peer_address;
    std::string address_family;
    std::string peer_address_family;
    // Options of `net`, the nearest first: connection, connection-mesh, resource.
    std::vector<const Options*> net;
    const ConnectionConf* connection = nullptr;  // null: none is written
};

// Fails if connections are written and none of them is that of these two, or has more than one
// path.
base::Result<Link> link_between(const ResourceConf& resource,
                                const HostConf& host,
                                const HostConf& peer);

// The hosts' only peer: null if it has none.
const HostConf* peer_of(const ResourceConf& resource, const HostConf& host);

}  // namespace config
