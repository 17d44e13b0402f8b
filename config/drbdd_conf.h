// /etc/drbdd.conf: what only drbdd has. Statements "name value;", comments with '#', nothing else.
//
//     frontend auto;            # how a volume becomes /dev/drbdN: auto, ublk, nbd, fuse, none
//     peer-address configured;  # who may connect: configured, any
//     nbd-listen 0 10.0.0.1:10809;  # the volume of minor 0 for NBD clients on other machines
//     nbd-tls-certificates /etc/drbdd/tls;  # ca-cert.pem, server-cert.pem, server-key.pem
//     nbd-tls-psk /etc/drbdd/nbd.psk;       # lines NAME:KEY
//     nbd-plaintext refused;    # or allowed: nbd-listen without TLS
#pragma once

#include "base/result.h"
#include "config/drbd_conf.h"
#include "config/settings.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace config {

enum class Frontend {
    Auto,  // the best that this machine offers
    Ublk,  // ublk device
    Nbd,   // kernel nbd device
    Fuse,  // FUSE file and loop device
    None,  // only the NBD socket, no /dev/drbdN
};

template <>
std::span<const std::string_view> words<Frontend>();

enum class PeerAddress {
    Configured,  // only the peer's address in drbd.conf
    Any,         // the peer is behind address translation
};

template <>
std::span<const std::string_view> words<PeerAddress>();

enum class Plaintext {
    Refused,
    Allowed,  // on purpose: whoever reaches the port reads and writes the volume
};

template <>
std::span<const std::string_view> words<Plaintext>();

// The volumes that NBD clients on other machines may use, and how these prove themselves.
struct NbdConf {
    std::map<std::uint32_t, Address> listen;  // by minor; where it is not empty, there is TLS or
                                              // plaintext is allowed, never both
    std::string tls_certificates;             // absolute paths; empty: none
    std::string tls_psk;
    Plaintext plaintext = Plaintext::Refused;

    bool has_tls() const { return !tls_certificates.empty() || !tls_psk.empty(); }
};

struct DrbddConf {
    Frontend frontend = Frontend::Auto;
    PeerAddress peer_address = PeerAddress::Configured;
    NbdConf nbd;
};

inline constexpr const char* kDefaultDrbddConf = "/etc/drbdd.conf";

// Strict: whatever is unknown, given twice or not finished is an error "FILE:LINE: ...".
base::Result<DrbddConf> parse_drbdd_conf(const std::string& name, std::string_view text);

// The defaults if there is no such file, unless `must_exist` (the user named it).
base::Result<DrbddConf> load_drbdd_conf(const std::string& path,
                                        bool must_exist,
                                        FileSource& files);

}  // namespace config
