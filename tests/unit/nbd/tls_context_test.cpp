#include "nbd-backend/tls_context.h"

#include "tests/unit/nbd/authority.h"

#include <gtest/gtest.h>

#include <string>
#include <unistd.h>
#include <vector>

namespace {

const std::string kKey = "00112233445566778899aabbccddeeff";

TEST(PskFile, HasALineForEachClient) {
    const auto keys = nbd::parse_psk("# ours\n\nalice:" + kKey + "\r\nbob:" + kKey + "AB\n");
    ASSERT_TRUE(keys.has_value()) << keys.error().text;
    ASSERT_EQ(keys->size(), 2u);
    EXPECT_EQ(keys->at("alice").size(), 16u);
    EXPECT_EQ(keys->at("alice")[1], 0x11);
    EXPECT_EQ(keys->at("bob").back(), 0xab);
}

TEST(PskFile, IsStrictAndKeepsItsSecrets) {
    const std::string long_key(130, 'a');
    const std::vector<std::string> bad{
        "",
        "# nothing\n",
        "alice\n",
        ":" + kKey,
        "alice:\n",
        "alice:" + kKey.substr(2),
        "alice:" + kKey + "a",
        "alice:" + kKey + "zz",
        "alice: " + kKey,
        "alice:" + long_key,
        "alice:" + kKey + "\nalice:" + kKey,
        std::string(256, 'n') + ":" + kKey,
        std::string("al\0ice", 6) + ":" + kKey,
    };
    for (const std::string& text : bad) {
        const auto keys = nbd::parse_psk(text);
        ASSERT_FALSE(keys.has_value()) << text;
        EXPECT_EQ(keys.error().text.find(kKey.substr(2, 8)), std::string::npos);
    }
    EXPECT_EQ(nbd::parse_psk("\nalice:" + kKey + "\nbob:12\n").error().text,
              "line 3 has no key of 16 to 64 bytes in hexadecimal digits");
}

class TlsFilesTest : public testing::Test {
protected:
    void SetUp() override { authority_.furnish_server(folder_); }

    std::string refusal(const nbd::TlsFiles& files) {
        const auto loaded = nbd::TlsContext::load(files);
        return loaded.has_value() ? "none" : loaded.error().text;
    }

    std::string refusal() { return refusal({folder_.path(), ""}); }

    void expect_refusal(const std::string& file, const std::string& why) {
        const std::string got = refusal();
        EXPECT_EQ(got.substr(0, folder_.file(file).size()), folder_.file(file)) << got;
        EXPECT_NE(got.find(why), std::string::npos) << got;
    }

    test::Authority authority_;
    test::Folder folder_;
};

TEST_F(TlsFilesTest, AreTakenTogetherOrOneByOne) {
    const std::string keys = folder_.put("keys", "alice:" + kKey + "\n");
    EXPECT_EQ(refusal(), "none");
    EXPECT_EQ(refusal({"", keys}), "none");
    EXPECT_EQ(refusal({folder_.path(), keys}), "none");
}

TEST_F(TlsFilesTest, SecretsAreNobodyElses) {
    const std::string keys = folder_.put("keys", "alice:" + kKey + "\n");
    for (const mode_t mode : {0640u, 0604u, 0644u, 0660u, 0620u, 0601u}) {
        ::chmod(keys.c_str(), mode);
        EXPECT_NE(refusal({"", keys}).find("chmod 0600"), std::string::npos) << mode;
        ::chmod(folder_.file("server-key.pem").c_str(), mode);
        expect_refusal("server-key.pem", "chmod 0600");
    }
    for (const mode_t mode : {0600u, 0400u}) {
        ::chmod(keys.c_str(), mode);
        EXPECT_EQ(refusal({"", keys}), "none");
    }
}

TEST_F(TlsFilesTest, WhomWeTrustIsNobodyElsesToSay) {
    for (const char* file : {"ca-cert.pem", "server-cert.pem"}) {
        ::chmod(folder_.file(file).c_str(), 0664);
        expect_refusal(file, "changed by others");
        ::chmod(folder_.file(file).c_str(), 0644);
    }
    EXPECT_EQ(refusal(), "none");
}

TEST_F(TlsFilesTest, BelongToTheUserOfTheDaemon) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can give a file away";
    }
    for (const char* file : {"ca-cert.pem", "server-cert.pem", "server-key.pem"}) {
        ASSERT_EQ(::chown(folder_.file(file).c_str(), 65534, 0), 0);
        expect_refusal(file, "belongs to user 65534");
        ASSERT_EQ(::chown(folder_.file(file).c_str(), 0, 0), 0);
    }
}

TEST_F(TlsFilesTest, AreNamedWhenTheyAreNoGood) {
    const test::Pem other = authority_.issue("other");
    const auto put = [this](const std::string& name, const std::string& text) {
        return folder_.put(name, text, name == "server-key.pem" ? 0600 : 0644);
    };
    put("server-key.pem", other.key);
    expect_refusal("server-key.pem", "not the key of server-cert.pem");
    put("server-key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    expect_refusal("server-key.pem", "no key");
    put("server-key.pem", "");
    expect_refusal("server-key.pem", "empty");
    put("server-key.pem", std::string((1 << 20) + 1, 'x'));
    expect_refusal("server-key.pem", "1 MiB");
    authority_.furnish_server(folder_);
    put("ca-cert.pem", "nothing");
    expect_refusal("ca-cert.pem", "no certificate");
    authority_.furnish_server(folder_);
    put("server-cert.pem", "nothing");
    expect_refusal("server-cert.pem", "no certificate");
    ::unlink(folder_.file("server-cert.pem").c_str());
    expect_refusal("server-cert.pem", "No such file");
    ::mkfifo(folder_.file("server-cert.pem").c_str(), 0600);
    expect_refusal("server-cert.pem", "is not a file");  // and nobody waits for a writer
}

// Nobody is there who could be asked for the passphrase.
TEST_F(TlsFilesTest, AKeyWithAPassphraseIsRefused) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    FILE* file = std::fopen(folder_.file("server-key.pem").c_str(), "w");
    const std::string word = "word";
    ASSERT_EQ(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), word.c_str(), 4, nullptr, nullptr),
        1);
    std::fclose(file);
    EVP_PKEY_free(key);
    expect_refusal("server-key.pem", "passphrase");
}

}  // namespace
