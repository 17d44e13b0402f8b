#include "tests/unit/hb_config/fixture.h"

#include <gtest/gtest.h>

namespace {

using Words = std::vector<std::string>;

config::HaParsed<config::Haresources> read(const std::string& text) {
    return config::parse_haresources("haresources", text);
}

std::string errors(const std::string& text) {
    return joined(read(text).findings.errors);
}

TEST(Haresources, ReadsGroupsInFileOrder) {
    const auto parsed = read(
        "# two groups\nDb-1-1 drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4 \\\n"
        "\t IPaddr::10.0.0.17/24/eth0   mysqld # the service\n\ndb-1-2 MailTo::root::Subject\n");
    ASSERT_TRUE(parsed.ok()) << joined(parsed.findings.errors);
    ASSERT_EQ(parsed.value.groups.size(), 2u);
    const config::ResourceGroup& group = parsed.value.groups[0];
    EXPECT_EQ(group.node, "db-1-1");
    EXPECT_EQ(group.line, 2);
    EXPECT_EQ(group.key(), "drbddisk::r0");
    ASSERT_EQ(group.words.size(), 4u);
    EXPECT_EQ(group.words[1].script, "Filesystem");
    EXPECT_EQ(group.words[1].args, (Words{"/dev/drbd0", "/data", "ext4"}));
    EXPECT_EQ(group.words[3].script, "mysqld");
    EXPECT_TRUE(group.words[3].args.empty());
    EXPECT_EQ(parsed.value.groups[1].line, 5);
    EXPECT_EQ(parsed.value.find("MailTo::root::Subject"), &parsed.value.groups[1]);
    EXPECT_EQ(parsed.value.find("mysqld"), nullptr);
}

TEST(Haresources, KnowsTheShorthandForAddresses) {
    const auto parsed = read("MySQL_Master_Node01 192.168.42.253/24/eth0:1 mysqld\n");
    ASSERT_TRUE(parsed.ok());
    const config::ResourceGroup& group = parsed.value.groups.at(0);
    EXPECT_EQ(group.node, "mysql_master_node01");
    EXPECT_EQ(group.key(), "192.168.42.253/24/eth0:1");  // as both nodes write it
    EXPECT_EQ(group.words[0].script, "IPaddr");
    EXPECT_EQ(group.words[0].args, Words{"192.168.42.253/24/eth0:1"});
}

TEST(Haresources, AcceptsEveryFormOfAnAddress) {
    for (const char* word : {"10.0.0.1",
                             "10.0.0.1/24",
                             "10.0.0.1/255.255.255.0",
                             "10.0.0.1/24/eth0",
                             "10.0.0.1/24/10.0.0.255",
                             "10.0.0.1/24/eth0:0/10.0.0.255",
                             "IPaddr::10.0.0.1/32/bond0",
                             "IPaddr2::10.0.0.1/24/eth0",
                             "IPv6addr::2001:db8:0:0:0:0:0:1/64",
                             "RA1::p1::p2"}) {
        EXPECT_EQ(errors("a " + std::string(word)), "") << word;
    }
}

TEST(Haresources, RefusesAddressesThatAreNone) {
    EXPECT_EQ(
        errors("data-1-1 IPaddr::192.268.149.17/24/eth0\n"),
        "haresources:1: resource 'IPaddr::192.268.149.17/24/eth0' '192.268.149.17' is no IPv4 "
        "address (four numbers up to 255)\n");
    for (const char* word : {"192.268.149.17",
                             "10.0.0.1/33",
                             "10.0.0.1/mask",
                             "10.0.0.1/24/1.2.3",
                             "10.0.0.1/24/eth0/x",
                             "10.0.0.1/24/10.0.0.255/10.0.0.255",
                             "10.0.0.1/24/eth0/10.0.0.255/x",
                             "IPaddr",
                             "IPaddr2::eth0",
                             "IPv6addr::fd00::1",
                             "IPv6addr"}) {
        EXPECT_NE(errors("a " + std::string(word)), "") << word;
    }
}

TEST(Haresources, RefusesWordsThatNameNoScript) {
    EXPECT_EQ(
        errors("a /etc/init.d/mysql\n"),
        "haresources:1: resource '/etc/init.d/mysql' is no script of resource.d or init.d, nor "
        "an IPv4 address\n");
    EXPECT_EQ(errors("a ::x\n"), "haresources:1: resource '::x' names no script before '::'\n");
    EXPECT_NE(errors("a ..\n"), "");
}

TEST(Haresources, KeepsEmptyArguments) {
    EXPECT_EQ(read("a S::x::::y\n").value.groups.at(0).words[0].args, (Words{"x", "", "y"}));
}

TEST(Haresources, RefusesAKeyThatIsElsewhere) {
    EXPECT_EQ(errors("a mysqld\nb mysqld\n"),
              "haresources:2: resource 'mysqld' is already on line 1: the first resource names its "
              "group\n");
    EXPECT_NE(errors("a 10.0.0.1\nb IPaddr::10.0.0.1\n"), "");
    EXPECT_NE(errors("a 10.0.0.1 mysqld\nb mysqld\n"), "");
    const auto parsed = read("a 10.0.0.1 MailTo::root\nb 10.0.0.2 MailTo::root\n");
    EXPECT_TRUE(parsed.ok());
    EXPECT_EQ(joined(parsed.findings.warnings),
              "haresources:2: resource 'MailTo::root' is already on line 1\n");
}

TEST(Haresources, WarnsOfANodeWithoutResources) {
    const auto parsed = read("a\nb x\n");
    EXPECT_EQ(joined(parsed.findings.warnings), "haresources:1: node 'a' has no resource\n");
    EXPECT_EQ(parsed.value.groups.size(), 1u);
}

TEST(Haresources, JoinsLinesAlsoAtTheEnd) {
    EXPECT_EQ(read("a x \\\n").value.groups.at(0).words.size(), 1u);
    EXPECT_EQ(read("a x\\\ny").value.groups.at(0).words.size(), 2u);
    EXPECT_TRUE(read("\\\n\\\n").value.groups.empty());
}

TEST(Haresources, LimitsGroups) {
    std::string text;
    for (int i = 0; i < 101; ++i) {
        text += "a s" + std::to_string(i) + "\n";
    }
    EXPECT_EQ(errors(text), "haresources:101: more than 100 groups, or resources in a group\n");
}

TEST(Haresources, MustNameConfiguredNodes) {
    const config::HaCf conf = ha_cf("node Alpha beta");
    const auto check = [&](const std::string& text) {
        const auto parsed = read(text);
        return joined(config::check_haresources("haresources", parsed.value, conf).errors);
    };
    EXPECT_EQ(check("alpha x\nBETA y\n"), "");
    EXPECT_EQ(check("alpha x\ngamma y\n"), "haresources:2: node 'gamma' is not in ha.cf\n");
}

}  // namespace
