// /etc/drbdd.conf: what only drbdd has. Statements "name value;", comments with '#', nothing else.
//
//     frontend auto;            # how a volume becomes /dev/drbdN: auto, ublk, nbd, fuse, none
//     peer-address configured;  # who may connect: configured, any
#pragma once

#include "base/result.h"
#include "config/drbd_conf.h"

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

struct DrbddConf {
    Frontend frontend = Frontend::Auto;
    PeerAddress peer_address = PeerAddress::Configured;
};

inline constexpr const char* kDefaultDrbddConf = "/etc/drbdd.conf";

// Strict: whatever is unknown, given twice or not finished is an error "FILE:LINE: ...".
base::Result<DrbddConf> parse_drbdd_conf(const std::string& name, std::string_view text);

// The defaults if there is no such file, unless `must_exist` (the user named it).
base::Result<DrbddConf> load_drbdd_conf(const std::string& path,
                                        bool must_exist,
                                        FileSource& files);

}  // namespace config
