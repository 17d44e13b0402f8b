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
constexpr std::string_view kFencingWords[] = {"dont-care", "resource-only", "resource-and-stonith"};
constexpr std::string_view kOnNoDataWords[] = {"io-error", "suspend-io"};
constexpr std::string_view kOnIoError[] = {"pass_on", "call-local-io-error", "detach"};
constexpr std::string_view kOnCongestion[] = {"block", "pull-ahead", "disconnect"};
constexpr std::string_view kReadBalancing[] = {"prefer-local",
                                               "prefer-remote",
                                               "round-robin",
                                               "least-pending",
                                               "when-congested-remote",
                                               "32K-striping",
                                               "64K-striping",
                                               "128K-striping",
                                               "256K-striping",
                                               "512K-striping",
                                               "1M-striping"};

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
    return kFencingWords;
}

template <>
std::span<const std::string_view> words<OnNoData>() {
    return kOnNoDataWords;
}

template <>
std::span<const std::string_view> words<OnIoError>() {
    return kOnIoError;
}

template <>
std::span<const std::string_view> words<OnCongestion>() {
    return kOnCongestion;
}

template <>
std::span<const std::string_view> words<ReadBalancing>() {
    return kReadBalancing;
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

std::optional<std::vector<unsigned>> processors_of(std::string_view mask) {
    constexpr unsigned kMaxProcessors = 1024;
    std::vector<unsigned> numbers;
    unsigned first = 0;
    for (auto digit = mask.rbegin(); digit != mask.rend(); ++digit) {
        if (*digit == ',') {
            continue;
        }
        const std::size_t value =
            std::string_view("0123456789abcdef")
                .find(static_cast<char>(*digit >= 'A' && *digit <= 'F' ? *digit - 'A' + 'a'
                                                                       : *digit));
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        for (unsigned bit = 0; bit < 4 && first + bit < kMaxProcessors; ++bit) {
            if ((value >> bit & 1) != 0) {
                numbers.push_back(first + bit);
            }
        }
        first += 4;
    }
    return numbers;
}

}  // namespace config
