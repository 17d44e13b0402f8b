#include "cli/common/own_address.h"

#include <arpa/inet.h>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace cli {

namespace {

struct Endpoint {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Endpoint endpoint(const config::Address& address) {
    Endpoint made;
    if (address.family == config::AddressFamily::Ipv4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        if (::inet_pton(AF_INET, address.ip.c_str(), &v4.sin_addr) == 1) {
            std::memcpy(&made.storage, &v4, sizeof v4);
            made.length = sizeof v4;
        }
        return made;
    }
    const std::size_t scope = address.ip.find('%');
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    if (::inet_pton(AF_INET6, address.ip.substr(0, scope).c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_scope_id =
            scope == std::string::npos ? 0 : ::if_nametoindex(address.ip.c_str() + scope + 1);
        std::memcpy(&made.storage, &v6, sizeof v6);
        made.length = sizeof v6;
    }
    return made;
}

bool can_bind(const Endpoint& wanted) {
    const int fd = ::socket(wanted.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    const bool bound = ::bind(fd, wanted.get(), wanted.length) == 0;
    ::close(fd);
    return bound;
}

bool same_ip(const sockaddr& a, const sockaddr_storage& b) {
    if (a.sa_family != b.ss_family) {
        return false;
    }
    const auto* one = reinterpret_cast<const char*>(&a);
    const auto* other = reinterpret_cast<const char*>(&b);
    return a.sa_family == AF_INET ? std::memcmp(one + offsetof(sockaddr_in, sin_addr),
                                                other + offsetof(sockaddr_in, sin_addr),
                                                sizeof(in_addr)) == 0
                                  : std::memcmp(one + offsetof(sockaddr_in6, sin6_addr),
                                                other + offsetof(sockaddr_in6, sin6_addr),
                                                sizeof(in6_addr)) == 0;
}

bool is_on_an_interface(const Endpoint& wanted) {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) {
        return true;  // nobody can say so
    }
    bool found = false;
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
        found = found || (one->ifa_addr != nullptr && same_ip(*one->ifa_addr, wanted.storage));
    }
    ::freeifaddrs(all);
    return found;
}

}  // namespace

bool is_own_address(const config::Address& address) {
    const Endpoint wanted = endpoint(address);
    return wanted.length != 0 && (can_bind(wanted) || is_on_an_interface(wanted));
}

}  // namespace cli
