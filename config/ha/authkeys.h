// authkeys: how messages are signed. Heartbeat specification, section 1.3. Pure: who reads the file
// hands in its permission bits and its owner.
#pragma once

#include "config/ha/findings.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

enum class AuthMethod { Crc, Md5, Sha1, Sha256 };  // Sha256: between nodes of ours only

std::string_view name_of(AuthMethod method);

struct AuthKey {
    int index = 0;  // 0..15
    AuthMethod method = AuthMethod::Crc;
    std::string key;  // raw bytes; empty for Crc only
};

struct Authkeys {
    int send_index = 0;         // of the key that signs
    std::vector<AuthKey> keys;  // in file order, each index once

    const AuthKey* find(int index) const;  // null: unknown

    const AuthKey* sending() const { return find(send_index); }  // never null after a good parse
};

inline constexpr unsigned kAuthkeysMode = 0600;

// The key of the sample that we ship: everybody knows it.
inline constexpr std::string_view kSampleKey = "replace-this-key-by-one-of-your-own";

// `mode`: the permission bits of the file (07777); all but 0600 are an error. So is an `owner`
// other than root (0): who owns the file can change the key.
HaParsed<Authkeys> parse_authkeys(const std::string& file,
                                  std::string_view text,
                                  unsigned mode,
                                  unsigned owner = 0);

}  // namespace config
