#include "config/settings.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstddef>

namespace config {

namespace {

constexpr std::string_view kProtocol[] = {"A", "B", "C"};
constexpr std::string_view kAfterSb0Pri[] = {"disconnect",
                                             "discard-younger-primary",
                                             "discard-older-primary",
                                             "discard-zero-changes",
                                             "discard-least-changes",
                                             "discard-local",
                                             "discard-remote"};
constexpr std::string_view kAfterSb1Pri[] = {
    "disconnect", "consensus", "violently-as0p", "discard-secondary", "call-pri-lost-after-sb"};
constexpr std::string_view kAfterSb2Pri[] = {
    "disconnect", "violently-as0p", "call-pri-lost-after-sb"};
constexpr std::string_view kRrConflict[] = {"disconnect", "violently", "call-pri-lost"};
constexpr std::string_view kFencing[] = {"dont-care", "resource-only"};
constexpr std::string_view kOnIoError[] = {"pass_on", "call-local-io-error", "detach"};

}  // namespace

template <>
std::span<const std::string_view> words<Protocol>() {
    return kProtocol;
}

template <>
std::span<const std::string_view> words<AfterSb0Pri>() {
    return kAfterSb0Pri;
}

template <>
std::span<const std::string_view> words<AfterSb1Pri>() {
    return kAfterSb1Pri;
}

template <>
std::span<const std::string_view> words<AfterSb2Pri>() {
    return kAfterSb2Pri;
}

template <>
std::span<const std::string_view> words<RrConflict>() {
    return kRrConflict;
}

template <>
std::span<const std::string_view> words<Fencing>() {
    return kFencing;
}

template <>
std::span<const std::string_view> words<OnIoError>() {
    return kOnIoError;
}

Address canonical(Address address) {
    char text[INET6_ADDRSTRLEN] = {};
    if (address.family == AddressFamily::Ipv4) {
        in_addr ip{};
        // A number that begins with 0 is octal here, as for the original.
        if (::inet_aton(address.ip.c_str(), &ip) != 0 &&
            ::inet_ntop(AF_INET, &ip, text, sizeof text) != nullptr) {
            address.ip = text;
        }
        return address;
    }
    const std::size_t scope = std::min(address.ip.find('%'), address.ip.size());
    in6_addr ip{};
    if (::inet_pton(AF_INET6, address.ip.substr(0, scope).c_str(), &ip) == 1 &&
        ::inet_ntop(AF_INET6, &ip, text, sizeof text) != nullptr) {
        address.ip = text + address.ip.substr(scope);
    }
    return address;
}

std::string to_string(const Address& address) {
    const bool v6 = address.family == AddressFamily::Ipv6;
    return (v6 ? "ipv6:[" + address.ip + "]:" : "ipv4:" + address.ip + ":") +
           std::to_string(address.port);
}

}  // namespace config
