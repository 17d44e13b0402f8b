// Digests of blocks without a key, by the kernel's names of the algorithms, in the form that they
// have on the wire: data-integrity-alg, verify-alg and csums-alg. Wire specification, section 6.13.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstddef>
#include <memory>
#include <string>

namespace base {

// One algorithm, made once and used for many blocks: a digest takes no memory. For one thread.
class Digest {
public:
    static constexpr std::size_t kMostBytes = 64;  // sha512

    // Those that kernels have: crc32c, md5, sha1, sha256, sha384, sha512, xxhash64.
    static bool known(const std::string& name);
    // 0: it is not known.
    static std::size_t size_of(const std::string& name);
    static Result<std::unique_ptr<Digest>> make(const std::string& name);

    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;
    virtual ~Digest() = default;

    const std::string& name() const { return name_; }

    std::size_t size() const { return size_; }

    // `out` is size() bytes long.
    void compute(ConstBytes data, Bytes out);

protected:
    Digest(std::string name, std::size_t size) : name_(std::move(name)), size_(size) {}

private:
    virtual void fill(ConstBytes data, Bytes out) = 0;

    const std::string name_;
    const std::size_t size_;
};

}  // namespace base
