#include "tests/unit/hb_config/fixture.h"

#include <gtest/gtest.h>

namespace {

config::HaParsed<config::Authkeys> read_keys(const std::string& text, unsigned mode = 0600) {
    return config::parse_authkeys("authkeys", text, mode);
}

std::string key_errors(const std::string& text, unsigned mode = 0600) {
    return joined(read_keys(text, mode).findings.errors);
}

TEST(Authkeys, ReadsTheFieldsFiles) {
    const auto md5 = read_keys("auth 3\n3 md5 Hello!\n");
    ASSERT_TRUE(md5.ok());
    ASSERT_NE(md5.value.sending(), nullptr);
    EXPECT_EQ(md5.value.sending()->index, 3);
    EXPECT_EQ(md5.value.sending()->method, config::AuthMethod::Md5);
    EXPECT_EQ(md5.value.sending()->key, "Hello!");
    EXPECT_TRUE(md5.findings.warnings.empty());
    const auto sha1 = read_keys("auth 1\n1 sha1 47e9336850f1db6fa58bc470bc9b7810eb397f04\n");
    EXPECT_EQ(sha1.value.sending()->key, "47e9336850f1db6fa58bc470bc9b7810eb397f04");
}

TEST(Authkeys, RefusesTheKeyOfTheSampleAndAStrangersFile) {
    EXPECT_NE(key_errors("auth 1\n1 sha1 replace-this-key-by-one-of-your-own\n")
                  .find("the key of the sample"),
              std::string::npos);
    const auto strangers = config::parse_authkeys("authkeys", "auth 1\n1 sha1 k\n", 0600, 1000);
    EXPECT_NE(joined(strangers.findings.errors).find("root must own it"), std::string::npos);
}

TEST(Authkeys, KeepsFurtherKeysForTheTransition) {
    const auto keys = read_keys(
        "# keys\n\nauth 1\r\n1 sha1 new  # this word is no business of ours\n2 md5 old\n");
    ASSERT_TRUE(keys.ok()) << joined(keys.findings.errors);
    EXPECT_EQ(keys.value.keys.size(), 2u);
    EXPECT_EQ(keys.value.find(2)->key, "old");
    EXPECT_EQ(keys.value.find(0), nullptr);
    EXPECT_EQ(joined(keys.findings.warnings),
              "authkeys: has several keys: a Heartbeat 3.0.6 partner checks every message with the "
              "key of its own 'auth' line\n");
}

TEST(Authkeys, TakesAHashInsideAKeyForAPartOfIt) {
    EXPECT_EQ(read_keys("auth 1\n1 sha1 a#b\n").value.sending()->key, "a#b");
}

TEST(Authkeys, WarnsOfMethodsWithALimit) {
    EXPECT_EQ(
        joined(read_keys("auth 2\n2 crc\n").findings.warnings),
        "authkeys: crc finds transmission errors only: whoever can send to the heartbeat port "
        "controls this cluster\n");
    EXPECT_EQ(joined(read_keys("auth 2\n2 sha256 k\n").findings.warnings),
              "authkeys: sha256 is unknown to Heartbeat 3.0.6: both nodes must run this daemon\n");
}

TEST(Authkeys, WantsMode0600) {
    for (const unsigned mode : {0644u, 0640u, 0604u, 0660u, 0400u, 0700u, 04600u}) {
        EXPECT_NE(key_errors("auth 2\n2 crc\n", mode), "") << mode;
    }
    EXPECT_EQ(
        key_errors("auth 2\n2 crc\n", 0644),
        "authkeys: Bad permissions on keyfile: mode 0644, 0600 required (chmod 600 authkeys)\n");
    EXPECT_EQ(key_errors("auth 2\n2 crc\n", 0100600), "");  // the type of the file is not looked at
}

TEST(Authkeys, WantsAuthBeforeItsKey) {
    EXPECT_EQ(key_errors("2 crc\nauth 2\n"),
              "authkeys:2: 'auth' must stand before the line of its key: put it first\n");
    EXPECT_EQ(key_errors("1 md5 x\nauth 2\n2 crc\n"), "");
    EXPECT_EQ(key_errors("2 crc\n"),
              "authkeys: no 'auth' line says which key signs: put 'auth NUMBER' first\n");
    EXPECT_EQ(key_errors("auth 3\n2 crc\n"), "authkeys:1: there is no key number 3\n");
    EXPECT_EQ(key_errors("auth 2\nauth 2\n2 crc\n"), "authkeys:2: auth is already on line 1\n");
    EXPECT_EQ(key_errors(""),
              "authkeys: no 'auth' line says which key signs: put 'auth NUMBER' first\n");
}

TEST(Authkeys, RefusesLinesThatAreNone) {
    EXPECT_EQ(key_errors("auth\n"),
              "authkeys:1: expected 'auth' and the number of a key from 0 to 15\n");
    EXPECT_EQ(key_errors("auth 16\n"),
              "authkeys:1: expected 'auth' and the number of a key from 0 to 15\n");
    EXPECT_EQ(key_errors("authentication 1\n"),
              "authkeys:1: expected 'auth' and the number of a key from 0 to 15\n");
    EXPECT_EQ(key_errors("16 md5 x\n"),
              "authkeys:1: a line starts with 'auth' or a number from 0 to 15\n");
    EXPECT_EQ(key_errors("x md5 x\n"),
              "authkeys:1: a line starts with 'auth' or a number from 0 to 15\n");
    EXPECT_EQ(key_errors("1 rot13 x\n"),
              "authkeys:1: the method must be crc, md5, sha1 or sha256\n");
    EXPECT_EQ(key_errors("1\n"), "authkeys:1: the method must be crc, md5, sha1 or sha256\n");
    EXPECT_EQ(key_errors("auth 1\n1 sha1\n"), "authkeys:2: sha1 needs a key\n");
    EXPECT_EQ(key_errors("auth 1\n1 crc # text\n"), "authkeys:2: crc takes no key\n");
    EXPECT_EQ(key_errors("auth 1\n1 md5 a\n1 md5 b\n"), "authkeys:3: number 1 is given twice\n");
}

TEST(Authkeys, NeverShowsAKey) {
    const auto parsed =
        read_keys("auth 1\n1 sha1 secret\n1 md5 secret\n2 crc secret\nsecret\n", 0644);
    EXPECT_FALSE(parsed.findings.errors.empty());
    EXPECT_EQ(joined(parsed.findings.errors).find("secret"), std::string::npos);
}

}  // namespace
