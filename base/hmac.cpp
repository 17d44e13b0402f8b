#include "base/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace base {

bool hmac_known(const std::string& algorithm) {
    return EVP_get_digestbyname(algorithm.c_str()) != nullptr;
}

Result<std::vector<std::uint8_t>> hmac(const std::string& algorithm,
                                       const std::string& key,
                                       ConstBytes data) {
    const EVP_MD* digest = EVP_get_digestbyname(algorithm.c_str());
    if (digest == nullptr) {
        return Error{ErrorCode::Unsupported, "digest algorithm " + algorithm + " is not known"};
    }
    std::vector<std::uint8_t> out(EVP_MAX_MD_SIZE);
    unsigned int length = 0;
    if (HMAC(digest,
             key.data(),
             static_cast<int>(key.size()),
             data.data(),
             data.size(),
             out.data(),
             &length) == nullptr) {
        return Error{ErrorCode::Unsupported, "HMAC with " + algorithm + " failed"};
    }
    out.resize(length);
    return out;
}

bool equal_digests(ConstBytes a, ConstBytes b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace base
