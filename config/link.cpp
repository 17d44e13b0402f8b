#include "config/link.h"

#include "config/parser.h"

#include <algorithm>

namespace config {

namespace {

bool has_name(const HostConf& host, const std::string& name) {
    return std::find(host.names.begin(), host.names.end(), name) != host.names.end();
}

bool joins(const std::vector<EndpointConf>& ends, const HostConf& a, const HostConf& b) {
    return ends.size() == 2 && ((has_name(a, ends[0].host) && has_name(b, ends[1].host)) ||
                                (has_name(b, ends[0].host) && has_name(a, ends[1].host)));
}

// What the end of a connection says of this host's address.
void take_address(const std::vector<EndpointConf>& ends,
                  const HostConf& host,
                  Address& address,
                  std::string& family) {
    for (const EndpointConf& end : ends) {
        if (!has_name(host, end.host)) {
            continue;
        }
        if (!end.address_family.empty()) {
            address = end.address;
            family = end.address_family;
        }
        address.port = end.port.value_or(address.port);
    }
}

const ConnectionConf* find_connection(const ResourceConf& resource,
                                      const HostConf& host,
                                      const HostConf& peer) {
    for (const ConnectionConf& connection : resource.connections) {
        const bool in_path = connection.ends.empty() && !connection.paths.empty();
        if (joins(in_path ? connection.paths.front() : connection.ends, host, peer)) {
            return &connection;
        }
    }
    return nullptr;
}

const MeshConf* find_mesh(const ResourceConf& resource,
                          const HostConf& host,
                          const HostConf& peer) {
    const auto named = [](const MeshConf& mesh, const HostConf& one) {
        return std::any_of(mesh.hosts.begin(), mesh.hosts.end(), [&](const std::string& name) {
            return has_name(one, name);
        });
    };
    for (const MeshConf& mesh : resource.meshes) {
        if (named(mesh, host) && named(mesh, peer)) {
            return &mesh;
        }
    }
    return nullptr;
}

}  // namespace

const HostConf* peer_of(const ResourceConf& resource, const HostConf& host) {
    const auto peer = std::find_if(resource.hosts.begin(),
                                   resource.hosts.end(),
                                   [&](const HostConf& one) { return &one != &host; });
    return peer == resource.hosts.end() ? nullptr : &*peer;
}

base::Result<Link> link_between(const ResourceConf& resource,
                                const HostConf& host,
                                const HostConf& peer) {
    Link link{host.address, peer.address, host.address_family, peer.address_family, {}, nullptr};
    link.connection = find_connection(resource, host, peer);
    const MeshConf* mesh = find_mesh(resource, host, peer);
    const bool written = !resource.connections.empty() || !resource.meshes.empty();
    if (written && link.connection == nullptr && mesh == nullptr) {
        return base::Error{base::ErrorCode::Unsupported,
                           prefix(resource.place) + "in resource " + resource.name +
                               ": no connection is between '" + host.names.front() + "' and '" +
                               peer.names.front() + "'"};
    }
    if (link.connection != nullptr) {
        const ConnectionConf& connection = *link.connection;
        if (connection.paths.size() > 1) {
            return base::Error{base::ErrorCode::Unsupported,
                               prefix(connection.place) +
                                   "more than one path of a connection is known but not supported "
                                   "by this version of drbdd"};
        }
        const auto& ends = connection.paths.empty() ? connection.ends : connection.paths.front();
        take_address(ends, host, link.address, link.address_family);
        take_address(ends, peer, link.peer_address, link.peer_address_family);
        link.net.push_back(&connection.net);
    }
    if (mesh != nullptr) {
        link.net.push_back(&mesh->net);
    }
    link.net.push_back(&resource.net);
    return link;
}

}  // namespace config
