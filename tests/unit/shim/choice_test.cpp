#include "kmod-shim/choice.h"

#include <gtest/gtest.h>

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using shim::choose;
using shim::Way;
using shim::WithoutDevice;

std::function<Result<void>()> works() {
    return [] { return Result<void>(); };
}

std::function<Result<void>()> fails(ErrorCode code, const std::string& reason) {
    return [code, reason] { return Result<void>(Error{code, reason}); };
}

Way good(const std::string& name) {
    return {name, works(), works()};
}

Way missing(const std::string& name, const std::string& reason) {
    return {name, fails(ErrorCode::NotFound, reason), [] {
                ADD_FAILURE() << "what is not offered is not tried";
                return Result<void>();
            }};
}

Way broken(const std::string& name, const std::string& reason) {
    return {name, works(), fails(ErrorCode::Io, reason)};
}

TEST(ChoiceOfTheFrontend, IsTheFirstThatWorks) {
    const auto choice = choose({good("nbd"), good("fuse")}, WithoutDevice::Refused);
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->name, "nbd");
    EXPECT_EQ(choice->why_not_better, "");
}

TEST(ChoiceOfTheFrontend, SaysWhyItIsNotABetterOne) {
    const auto absent = choose({missing("nbd", "no driver"), good("fuse")}, WithoutDevice::Refused);
    ASSERT_TRUE(absent);
    EXPECT_EQ(absent->name, "fuse");
    EXPECT_EQ(absent->why_not_better, "nbd: no driver");

    const auto failed = choose({broken("nbd", "no right"), good("fuse")}, WithoutDevice::Refused);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->name, "fuse");
    EXPECT_EQ(failed->why_not_better, "nbd: no right");
}

// A container without any of them has the NBD socket; but what is there and fails is a fault, which
// whoever wants the device has to hear of.
TEST(ChoiceOfTheFrontend, IsNoDeviceOnlyWhereNoneIsOffered) {
    const std::vector<Way> absent{missing("nbd", "no driver"), missing("fuse", "no /dev/fuse")};
    const auto none = choose(absent, WithoutDevice::Accepted);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->name, "");
    EXPECT_EQ(none->why_not_better, "nbd: no driver; fuse: no /dev/fuse");

    const auto refused = choose(absent, WithoutDevice::Refused);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "nbd: no driver; fuse: no /dev/fuse");

    const auto broke =
        choose({missing("nbd", "no driver"), broken("fuse", "no mount")}, WithoutDevice::Accepted);
    ASSERT_FALSE(broke);
    EXPECT_EQ(broke.error().code, ErrorCode::Io);
    EXPECT_EQ(broke.error().text, "nbd: no driver; fuse: no mount");
}

TEST(ChoiceOfTheFrontend, ASingleOneGivesItsOwnReason) {
    const auto refused = choose({missing("nbd", "no driver")}, WithoutDevice::Refused);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "no driver");
}

}  // namespace
