// What the server side of TLS needs: certificates that prove who we are and whom we let in, or keys
// that are shared with each client. Read once, then used by all connections, on any thread.
// Block front ends specification, section 1.6.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;
struct ssl_ctx_st;

namespace nbd {

// At least one of them; with both a client may come either way.
struct TlsFiles {
    // Directory of ca-cert.pem, server-cert.pem and server-key.pem, the names that clients know. A
    // client has to prove itself with a certificate that ca-cert.pem vouches for.
    std::string certificates;
    // Lines NAME:KEY, the key in hexadecimal digits.
    std::string keys;
};

// Lines NAME:KEY; empty lines, and those that start with '#', say nothing. A key has 16 to 64
// bytes. The error names the line, never what stands in it.
base::Result<std::map<std::string, std::vector<std::uint8_t>>> parse_psk(std::string_view text);

class TlsContext {
public:
    // Refuses a key file that others than its owner may read, and any file that others may change
    // or that belongs to somebody else than the user of this process. The error names the file.
    static base::Result<std::shared_ptr<const TlsContext>> load(const TlsFiles& files);

    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    // The server's end of one connection; owned by the caller, to be freed with SSL_free(). Null
    // when memory is short.
    ssl_st* new_connection() const;

private:
    TlsContext();

    base::Result<void> use_certificates(const std::string& directory);
    base::Result<void> use_keys(const std::string& file);

    struct Free {
        void operator()(ssl_ctx_st* context) const;
    };

    static unsigned find_key(ssl_st* tls, const char* name, unsigned char* key, unsigned room);

    std::unique_ptr<ssl_ctx_st, Free> context_;
    std::map<std::string, std::vector<std::uint8_t>> keys_;
};

}  // namespace nbd
