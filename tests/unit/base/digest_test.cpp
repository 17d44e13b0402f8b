// The values are those that the algorithms' own specifications publish.
#include "base/digest.h"

#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace {

std::string digest_of(const std::string& algorithm, std::string_view text) {
    const base::Result<std::unique_ptr<base::Digest>> digest = base::Digest::make(algorithm);
    if (!digest) {
        return digest.error().text;
    }
    std::vector<std::uint8_t> out((*digest)->size());
    (*digest)->compute({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, out);
    std::string hex;
    for (const std::uint8_t byte : out) {
        hex += base::format("%02x", byte);
    }
    return hex;
}

TEST(Digest, EachAlgorithmGivesItsPublishedValue) {
    EXPECT_EQ(digest_of("crc32c", "123456789"), "839206e3");  // little endian on the wire
    EXPECT_EQ(digest_of("md5", "abc"), "900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(digest_of("sha1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(digest_of("sha256", "abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest_of("sha384", "abc"),
              "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
              "8086072ba1e7cc2358baeca134c825a7");
    EXPECT_EQ(digest_of("sha512", "abc"),
              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

// The first block of what `yes TEXT` prints.
std::string block_of(const std::string& text) {
    std::string block;
    while (block.size() < 4096) {
        block += text + "\n";
    }
    return block.substr(0, 4096);
}

// As two kernels told each other of these blocks in an online verify.
TEST(Digest, IsWrittenAsTheKernelDoes) {
    EXPECT_EQ(digest_of("crc32c", block_of("12-verify-crc32c-alpha-0")), "625f0452");
    EXPECT_EQ(digest_of("crc32c", std::string(4096, '\0')), "8941f998");
    EXPECT_EQ(digest_of("xxhash64", block_of("13-verify-xxhash64-alpha-0")), "500b7897767925a0");
    EXPECT_EQ(digest_of("sha1", block_of("11-verify-sha1-alpha-0")),
              "c00c498868ea36e8c623a4bb54e2f5a8273752e6");
}

// The kernel writes it little endian; as a number it is published as ef46db3751d8e999.
TEST(Digest, XxhashIsWrittenAsTheKernelDoes) {
    EXPECT_EQ(digest_of("xxhash64", ""), "99e9d85137db46ef");
}

TEST(Digest, NothingIsLeftOverFromTheBlockBefore) {
    for (const char* name : {"crc32c", "md5", "sha1", "sha256", "sha384", "sha512", "xxhash64"}) {
        const auto digest = base::Digest::make(name);
        ASSERT_TRUE(digest) << name;
        EXPECT_TRUE(base::Digest::known(name));
        EXPECT_EQ((*digest)->name(), name);
        EXPECT_LE((*digest)->size(), base::Digest::kMostBytes);
        const std::vector<std::uint8_t> one(4096, 1);
        const std::vector<std::uint8_t> two(512, 2);
        std::vector<std::uint8_t> first((*digest)->size());
        std::vector<std::uint8_t> other((*digest)->size());
        std::vector<std::uint8_t> again((*digest)->size());
        (*digest)->compute(one, first);
        (*digest)->compute(two, other);
        (*digest)->compute(one, again);
        EXPECT_EQ(first, again) << name;
        EXPECT_NE(first, other) << name;
    }
}

// What OpenSSL knows beyond the kernel's names is none of them.
TEST(Digest, OthersAreRefusedByName) {
    for (const char* name : {"", "SHA1", "sha3-256", "crc32", "rot13"}) {
        EXPECT_FALSE(base::Digest::known(name)) << name;
        EXPECT_EQ(digest_of(name, "abc"),
                  "digest algorithm " + std::string(name) + " is not known");
    }
}

// Bit by bit, by the definition of the polynomial.
std::uint32_t crc32c_by_definition(std::uint32_t crc, base::ConstBytes data) {
    for (const std::uint8_t byte : data) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
        }
    }
    return crc;
}

TEST(Crc32c, IsTheSameAtEachLengthAndEachAddress) {
    std::vector<std::uint8_t> bytes(1100);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 131 + i / 7);
    }
    for (std::size_t offset = 0; offset < 9; ++offset) {
        for (std::size_t length = 0; offset + length <= bytes.size(); length += 1 + length / 5) {
            const base::ConstBytes part = base::ConstBytes(bytes).subspan(offset, length);
            EXPECT_EQ(base::crc32c_raw(0x12345678u, part), crc32c_by_definition(0x12345678u, part));
        }
    }
}

}  // namespace
