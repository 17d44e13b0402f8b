#include "base/digest.h"

#include "base/crc32c.h"
#include "base/require.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

namespace base {

namespace {

class Crc32cDigest final : public Digest {
public:
    explicit Crc32cDigest(const std::string& name) : Digest(name, 4) {}

private:
    void fill(ConstBytes data, Bytes out) override { put_le32(out, 0, crc32c(data)); }
};

class XxhashDigest final : public Digest {
public:
    explicit XxhashDigest(const std::string& name) : Digest(name, 8) {}

private:
    void fill(ConstBytes data, Bytes out) override {
        put_le64(out, 0, XXH64(data.data(), data.size(), 0));
    }
};

class EvpDigest final : public Digest {
public:
    EvpDigest(const std::string& name, const EVP_MD* algorithm)
        : Digest(name, static_cast<std::size_t>(EVP_MD_get_size(algorithm))),
          algorithm_(algorithm),
          context_(EVP_MD_CTX_new()) {
        REQUIRE(context_ != nullptr);
        // Asked once: whether a policy of this machine forbids it shows here.
        usable_ = EVP_DigestInit_ex2(context_.get(), algorithm_, nullptr) == 1;
    }

    bool usable() const { return usable_; }

private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };

    // Without a type the context begins again with the one that it has, in the memory that it has.
    void fill(ConstBytes data, Bytes out) override {
        REQUIRE(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1);
        REQUIRE(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
        REQUIRE(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1);
    }

    const EVP_MD* const algorithm_;
    const std::unique_ptr<EVP_MD_CTX, Free> context_;
    bool usable_ = false;
};

constexpr std::array kOfOpenssl = {"md5", "sha1", "sha256", "sha384", "sha512"};

bool is_of_openssl(const std::string& name) {
    return std::find(kOfOpenssl.begin(), kOfOpenssl.end(), name) != kOfOpenssl.end();
}

}  // namespace

bool Digest::known(const std::string& name) {
    return name == "crc32c" || name == "xxhash64" || is_of_openssl(name);
}

std::size_t Digest::size_of(const std::string& name) {
    const Result<std::unique_ptr<Digest>> digest = make(name);
    return digest ? (*digest)->size() : 0;
}

Result<std::unique_ptr<Digest>> Digest::make(const std::string& name) {
    if (name == "crc32c") {
        return std::unique_ptr<Digest>(std::make_unique<Crc32cDigest>(name));
    }
    if (name == "xxhash64") {
        return std::unique_ptr<Digest>(std::make_unique<XxhashDigest>(name));
    }
    const EVP_MD* algorithm = is_of_openssl(name) ? EVP_get_digestbyname(name.c_str()) : nullptr;
    if (algorithm != nullptr) {
        auto digest = std::make_unique<EvpDigest>(name, algorithm);
        if (digest->usable()) {
            return std::unique_ptr<Digest>(std::move(digest));
        }
    }
    return Error{ErrorCode::Unsupported, "digest algorithm " + name + " is not known"};
}

void Digest::compute(ConstBytes data, Bytes out) {
    REQUIRE(out.size() == size_);
    fill(data, out);
}

}  // namespace base
