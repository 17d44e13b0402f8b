#include "kmod-shim/link/export_info.h"
#include "kmod-shim/link/request.h"

#include <gtest/gtest.h>

namespace {

using export_link::check_same_export;
using export_link::check_usable;
using export_link::ExportInfo;

const ExportInfo kExport{1u << 30, false, true, true, true};

TEST(ExportInfo, NeedsASizeAndTheRightToWrite) {
    EXPECT_TRUE(check_usable(kExport));
    ExportInfo other = kExport;
    other.read_only = true;
    EXPECT_FALSE(check_usable(other));
    other = kExport;
    other.size_bytes = 0;
    EXPECT_FALSE(check_usable(other));
    other.size_bytes = 1000;
    EXPECT_FALSE(check_usable(other));
}

TEST(ExportInfo, ANewServerMayNotChangeSizeOrAbilities) {
    EXPECT_TRUE(check_same_export(kExport, kExport, false));
    ExportInfo other = kExport;
    other.size_bytes *= 2;
    EXPECT_FALSE(check_same_export(kExport, other, false));
    EXPECT_TRUE(check_same_export(kExport, other, true));
    for (bool ExportInfo::*flag :
         {&ExportInfo::can_flush, &ExportInfo::can_zero, &ExportInfo::can_fast_zero}) {
        other = kExport;
        other.*flag = false;
        EXPECT_FALSE(check_same_export(kExport, other, true));
    }
    other = kExport;
    other.read_only = true;
    EXPECT_FALSE(check_same_export(kExport, other, true));
}

TEST(Request, ALongZeroRangeGoesOutInParts) {
    export_link::Request request;
    request.kind = export_link::Request::Kind::ZeroRange;
    request.offset = 4096;
    request.length = (5ull << 30) + 512;
    std::uint64_t expected = request.offset;
    int parts = 0;
    while (request.finished_bytes < request.length) {
        const auto part = next_part(request);
        EXPECT_EQ(part.offset, expected);
        EXPECT_GT(part.length, 0u);
        EXPECT_LE(part.length, export_link::kPartBytesMax);
        expected += part.length;
        request.finished_bytes += part.length;
        ++parts;
    }
    EXPECT_EQ(expected, request.offset + request.length);
    EXPECT_EQ(parts, 6);
}

}  // namespace
