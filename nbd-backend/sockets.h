// The sockets on which the NBD server listens. All of them do not block, and no child inherits
// them.
#pragma once

#include "base/result.h"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <string>

namespace nbd {

struct UnixSocket {
    int descriptor = -1;
    std::uint64_t inode = 0;  // of its name, so that nobody removes a successor's
};

// Mode 0600 before it has its name. One left behind by a dead server is replaced; one that answers
// is Busy.
base::Result<UnixSocket> listen_unix(const std::string& path);

// Also where the address is not of this machine yet: one that moves between the nodes comes later.
base::Result<int> listen_tcp(const boost::asio::ip::tcp::endpoint& where);

// Small replies leave at once, and a client that has gone without a word is found out within two
// minutes: until then the volume could not be demoted.
void prepare_tcp_client(int socket);

// "10.0.0.1:10809"
std::string to_text(const boost::asio::ip::tcp::endpoint& where);

}  // namespace nbd
