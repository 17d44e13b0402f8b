// What our own agents say of a resource when they cannot look: 4, "unknown". An agent that says
// "stopped" on an error of its own lets the daemon start a second holder.
#include "heartbeat/agents/address/address_agent.h"
#include "heartbeat/agents/filesystem/filesystem_agent.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

namespace {

using namespace hb;

// No descriptor can be opened as long as it lives: neither the mount table nor netlink.
class NoDescriptors {
public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit none = before_;
        none.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &none);
    }

    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

private:
    rlimit before_{};
};

TEST(OwnStatus, OfAnAddressIsUnknownWhenTheKernelCannotBeAsked) {
    const NoDescriptors none;
    for (const char* agent : {"IPaddr", "IPaddr2"}) {
        EXPECT_EQ(run_address_agent(agent, {"10.255.254.253/24/lo", "status"}), 4) << agent;
    }
    EXPECT_EQ(run_address_agent("IPv6addr", {"fd00::1/64/lo", "status"}), 4);
    EXPECT_EQ(run_address_agent("IPaddr", {"10.255.254.253/24/lo", "stop"}), 1);
}

TEST(OwnStatus, OfAnAddressThatIsNotHereIsStopped) {
    EXPECT_EQ(run_address_agent("IPaddr", {"10.255.254.253/24/lo", "status"}), 3);
}

TEST(OwnStatus, OfAFileSystemIsUnknownWhenTheMountTableCannotBeRead) {
    const std::vector<std::string> words = {"/dev/drbd0", "/no/such/directory", "status"};
    EXPECT_EQ(run_filesystem_agent(words), 3);
    const NoDescriptors none;
    EXPECT_EQ(run_filesystem_agent(words), 4);
}

}  // namespace
