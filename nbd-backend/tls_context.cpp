#include "nbd-backend/tls_context.h"

#include "base/log.h"
#include "base/require.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace nbd {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFileLimit = std::size_t{1} << 20;
constexpr std::size_t kNameLimit = 255;
constexpr std::size_t kShortestKey = 16;
constexpr std::size_t kLongestKey = 64;

struct Release {
    void operator()(BIO* bio) const { BIO_free(bio); }

    void operator()(X509* certificate) const { X509_free(certificate); }

    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

template <typename Kind>
using Owned = std::unique_ptr<Kind, Release>;

Error refused(const std::string& file, const std::string& why) {
    return {ErrorCode::Invalid, file + ": " + why};
}

Error tls_refused(const std::string& file, const std::string& what) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return refused(file, what + (reason != nullptr ? std::string(" (") + reason + ")" : ""));
}

// The content of a file, wiped when it is not needed any more.
class Content {
public:
    Content() = default;
    Content(Content&&) = default;
    Content(const Content&) = delete;
    Content& operator=(const Content&) = delete;

    ~Content() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

    std::string_view text() const { return {bytes_.data(), bytes_.size()}; }

    Owned<BIO> bio() const {
        return Owned<BIO>(BIO_new_mem_buf(bytes_.data(), static_cast<int>(bytes_.size())));
    }

    // Never larger than reserved: a larger one would leave a copy behind.
    bool read(int file, std::size_t size) {
        bytes_.resize(size);
        std::size_t done = 0;
        while (done < size) {
            const ssize_t count = ::read(file, bytes_.data() + done, size - done);
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count <= 0) {
                return false;
            }
            done += static_cast<std::size_t>(count);
        }
        return true;
    }

private:
    std::vector<char> bytes_;
};

enum class Kind { Public, Secret };

std::optional<std::string> unfit(const struct stat& found, Kind kind) {
    if (!S_ISREG(found.st_mode)) {
        return "is not a file";
    }
    if (found.st_uid != ::geteuid()) {
        return base::format("belongs to user %u, and has to be root's", unsigned{found.st_uid});
    }
    if (kind == Kind::Secret && (found.st_mode & 0077) != 0) {
        return base::format("is open to others (mode %04o): chmod 0600 it",
                            unsigned{found.st_mode} & 07777);
    }
    if ((found.st_mode & 0022) != 0) {
        return base::format("can be changed by others (mode %04o)",
                            unsigned{found.st_mode} & 07777);
    }
    if (found.st_size == 0 || static_cast<std::size_t>(found.st_size) > kFileLimit) {
        return "is empty, or larger than 1 MiB";
    }
    return std::nullopt;
}

// What is looked at is what is read: the file is opened once.
Result<Content> read_file(const std::string& path, Kind kind) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return refused(path, std::strerror(errno));
    }

    struct stat found {};

    Content content;
    std::optional<std::string> why;
    if (::fstat(file, &found) != 0) {
        why = std::strerror(errno);
    } else if (why = unfit(found, kind);
               !why && !content.read(file, static_cast<std::size_t>(found.st_size))) {
        why = "cannot be read";
    }
    ::close(file);
    if (why) {
        return refused(path, *why);
    }
    return content;
}

// A key with a passphrase is refused: there is nobody to ask, and OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

std::vector<Owned<X509>> certificates_in(const Content& content) {
    std::vector<Owned<X509>> found;
    const auto bio = content.bio();
    while (bio) {
        Owned<X509> next(PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr));
        if (!next) {
            break;
        }
        found.push_back(std::move(next));
    }
    ERR_clear_error();  // the end of the file is one
    return found;
}

Result<void> use_own_certificate(SSL_CTX* context, const std::string& path) {
    const auto content = read_file(path, Kind::Public);
    if (!content) {
        return content.error();
    }
    auto chain = certificates_in(*content);
    if (chain.empty() || SSL_CTX_use_certificate(context, chain[0].get()) != 1) {
        return tls_refused(path, "has no certificate that can be used");
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
            return tls_refused(path, "has an issuer's certificate that can't be used");
        }
    }
    return {};
}

Result<void> use_own_key(SSL_CTX* context, const std::string& path) {
    const auto content = read_file(path, Kind::Secret);
    if (!content) {
        return content.error();
    }
    const auto bio = content->bio();
    const Owned<EVP_PKEY> key(
        bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr) : nullptr);
    if (!key) {
        return tls_refused(path, "has no key that can be used, or one with a passphrase");
    }
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return tls_refused(path, "is not the key of server-cert.pem");
    }
    return {};
}

Result<void> trust(SSL_CTX* context, const std::string& path) {
    const auto content = read_file(path, Kind::Public);
    if (!content) {
        return content.error();
    }
    const auto authorities = certificates_in(*content);
    if (authorities.empty()) {
        return refused(path, "has no certificate");
    }
    for (const auto& authority : authorities) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
            SSL_CTX_add_client_CA(context, authority.get()) != 1) {
            return tls_refused(path, "has a certificate that can't be used");
        }
    }
    return {};
}

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned>(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return static_cast<unsigned>(c - 'a' + 10);
    }
    if (c >= 'A' && c <= 'F') {
        return static_cast<unsigned>(c - 'A' + 10);
    }
    return std::nullopt;
}

std::optional<std::vector<std::uint8_t>> bytes_of(std::string_view digits) {
    if (digits.size() % 2 != 0 || digits.size() < 2 * kShortestKey ||
        digits.size() > 2 * kLongestKey) {
        return std::nullopt;
    }
    std::vector<std::uint8_t> bytes;
    bytes.reserve(digits.size() / 2);
    for (std::size_t at = 0; at < digits.size(); at += 2) {
        const auto high = digit(digits[at]);
        const auto low = digit(digits[at + 1]);
        if (!high || !low) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<std::uint8_t>(*high << 4 | *low));
    }
    return bytes;
}

}  // namespace

Result<std::map<std::string, std::vector<std::uint8_t>>> parse_psk(std::string_view text) {
    std::map<std::string, std::vector<std::uint8_t>> keys;
    for (unsigned number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && line.back() == '\r') {
            line.remove_suffix(1);
        }
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const auto wrong = [number](const char* what) {
            return Error{ErrorCode::Invalid, base::format("line %u %s", number, what)};
        };
        const std::size_t colon = line.find(':');
        const std::string name(line.substr(0, std::min(colon, line.size())));
        if (colon == line.npos || name.empty() || name.size() > kNameLimit ||
            name.find('\0') != name.npos) {
            return wrong("is not of the form NAME:KEY");
        }
        auto key = bytes_of(line.substr(colon + 1));
        if (!key) {
            return wrong("has no key of 16 to 64 bytes in hexadecimal digits");
        }
        if (!keys.emplace(name, std::move(*key)).second) {
            return wrong("has a name that was there before");
        }
    }
    if (keys.empty()) {
        return Error{ErrorCode::Invalid, "has no key"};
    }
    return keys;
}

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

// TLS 1.3 only: all clients of NBD with TLS have it, every connection has its own fresh keys, also
// with a shared one, and there is nothing to be talked down to.
TlsContext::TlsContext() : context_(SSL_CTX_new(TLS_server_method())) {
    REQUIRE(context_ != nullptr);
    SSL_CTX* context = context_.get();
    REQUIRE(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
    // Each connection proves itself anew: nothing is resumed.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    REQUIRE(SSL_CTX_set_num_tickets(context, 0) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Asked for wherever both ways to prove oneself are open.
    constexpr unsigned char name[] = "drbdd";
    REQUIRE(SSL_CTX_set_session_id_context(context, name, sizeof name - 1) == 1);
    SSL_CTX_set_app_data(context, this);
}

TlsContext::~TlsContext() {
    for (auto& [name, key] : keys_) {
        OPENSSL_cleanse(key.data(), key.size());
    }
}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsFiles& files) {
    REQUIRE(!files.certificates.empty() || !files.keys.empty());
    std::shared_ptr<TlsContext> context(new TlsContext);
    if (!files.certificates.empty()) {
        if (auto used = context->use_certificates(files.certificates); !used) {
            return used.error();
        }
    }
    if (!files.keys.empty()) {
        if (auto used = context->use_keys(files.keys); !used) {
            return used.error();
        }
    }
    return std::shared_ptr<const TlsContext>(std::move(context));
}

Result<void> TlsContext::use_certificates(const std::string& directory) {
    SSL_CTX* context = context_.get();
    if (auto used = use_own_certificate(context, directory + "/server-cert.pem"); !used) {
        return used;
    }
    if (auto used = use_own_key(context, directory + "/server-key.pem"); !used) {
        return used;
    }
    if (auto used = trust(context, directory + "/ca-cert.pem"); !used) {
        return used;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return {};
}

Result<void> TlsContext::use_keys(const std::string& file) {
    const auto content = read_file(file, Kind::Secret);
    if (!content) {
        return content.error();
    }
    auto keys = parse_psk(content->text());
    if (!keys) {
        return refused(file, keys.error().text);
    }
    keys_ = std::move(*keys);
    // A shared key goes with SHA-256 only, and OpenSSL chooses the suite before it looks for one.
    SSL_CTX* context = context_.get();
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    REQUIRE(SSL_CTX_set_ciphersuites(context,
                                     "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                     "TLS_AES_256_GCM_SHA384") == 1);
    SSL_CTX_set_psk_server_callback(context, &TlsContext::find_key);
    return {};
}

unsigned TlsContext::find_key(ssl_st* tls, const char* name, unsigned char* key, unsigned room) {
    const auto* context =
        static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls)));
    const auto found = name != nullptr ? context->keys_.find(name) : context->keys_.end();
    if (found == context->keys_.end() || found->second.size() > room) {
        return 0;
    }
    std::memcpy(key, found->second.data(), found->second.size());
    return static_cast<unsigned>(found->second.size());
}

ssl_st* TlsContext::new_connection() const {
    SSL* tls = SSL_new(context_.get());
    if (tls != nullptr) {
        SSL_set_accept_state(tls);
    }
    return tls;
}

}  // namespace nbd
