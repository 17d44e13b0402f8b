#include "base/log.h"
#include "meta/dump.h"
#include "meta/gi.h"
#include "tests/unit/meta/vectors.h"

#include <gtest/gtest.h>

namespace {

using meta::Superblock;

std::string dump_of(const meta_test::Vector& vector) {
    const Superblock sb = vector.superblock();
    const std::uint64_t superblock_byte = to_bytes(vector.layout().superblock_sector);
    std::string text = meta::dump_head(sb, superblock_byte);
    meta::BitmapText bitmap([&](std::string_view part) { text += part; });
    // In uneven pieces, as a reader of a large bitmap would hand them over.
    base::ConstBytes left = vector.bitmap().first(meta::dumped_bitmap_bytes(sb, superblock_byte));
    for (std::size_t piece = 32; !left.empty(); piece += 32) {
        const std::size_t length = std::min(piece, left.size());
        bitmap.append(left.first(length));
        left = left.subspan(length);
    }
    bitmap.finish();
    return text;
}

std::string line_of(const std::string& text, std::size_t number) {
    std::istringstream in(text);
    std::string line;
    for (std::size_t i = 0; i <= number; ++i) {
        std::getline(in, line);
    }
    return line;
}

TEST(GiText, IsTheOriginalsForEveryVector) {
    int checked = 0;
    for (const meta_test::Vector& vector : meta_test::all_vectors()) {
        if (!meta_test::has_file(vector.name + ".gi.txt")) {
            continue;
        }
        SCOPED_TRACE(vector.name);
        const std::string expected = meta_test::read_text(vector.name + ".gi.txt");
        EXPECT_EQ(meta::gi_line(vector.superblock()), line_of(expected, 0));
        EXPECT_EQ(meta::disk_state(vector.superblock()), line_of(expected, 1));
        ++checked;
    }
    EXPECT_GE(checked, 8);
}

TEST(GiText, ShowGiIsTheOriginals) {
    const auto vector = meta_test::load("v08-int-1g-kcrash-evictions.after");
    EXPECT_EQ(meta::show_gi(vector.superblock()),
              meta_test::read_text(vector.name + ".show-gi.txt"));
}

TEST(GiText, ShowGiNamesTheFlags) {
    Superblock sb;
    const auto flags_line = [&](std::uint32_t flags) {
        sb.flags = flags;
        const std::string text = meta::show_gi(sb);
        const std::size_t at = text.find("flags:");
        return text.substr(at, text.find('\n', at) - at);
    };
    EXPECT_EQ(flags_line(0), "flags: Secondary, StandAlone, Inconsistent");
    EXPECT_EQ(flags_line(0x7F),
              "flags: crashed Primary, Connected, UpToDate, need full sync, peer Outdated");
    EXPECT_EQ(flags_line(0x01), "flags: Secondary, StandAlone, Outdated");
    EXPECT_NE(meta::show_gi(sb).find("meta-data: need apply-al"), std::string::npos);
    EXPECT_NE(meta::show_gi(sb).find("never seen peer yet?"), std::string::npos);
}

TEST(GiText, SetGiReplacesOnlyWhatIsNamed) {
    Superblock sb;
    sb.history_uuids = {3, 4};
    const auto all = meta::with_gi(sb, "1:0002:3A:ffffFFFFffffFFFF:1:0:1:0:1:0:1");
    ASSERT_TRUE(all);
    EXPECT_EQ(meta::gi_line(*all),
              "0000000000000001:0000000000000002:000000000000003A:FFFFFFFFFFFFFFFF:1:0:1:0:1:0:1");
    EXPECT_EQ(all->flags & meta::kMdAlClean, meta::kMdAlClean);
    const auto some = meta::with_gi(sb, ":7::::1");
    ASSERT_TRUE(some);
    EXPECT_EQ(meta::gi_line(*some),
              "0000000000000004:0000000000000007:0000000000000003:0000000000000004:0:1:0:0:0:0:0");
}

TEST(GiText, SetGiRefusesWhatItDoesNotKnow) {
    for (const char* text : {"x",
                             "1:2:3:4:2",
                             "1:2:3:4:",
                             "12345678123456781",
                             "-1",
                             "0x1",
                             "1:2:3:4:1:1:1:1:1:1:1:1"}) {
        const bool accepted = meta::with_gi(Superblock{}, text).has_value();
        EXPECT_EQ(accepted, std::string(text) == "1:2:3:4:") << text;
    }
}

TEST(GiText, PrintsSizesAsTheOriginal) {
    EXPECT_EQ(meta::pretty_size(9999), "9999 KB");
    EXPECT_EQ(meta::pretty_size(10000), "10 MB");
    EXPECT_EQ(meta::pretty_size(1048508), "1024 MB");
    EXPECT_EQ(meta::pretty_size(~std::uint64_t{0}), "16384 EB");
}

TEST(DumpText, IsTheOriginalsForEveryVectorButForTheFlags) {
    int checked = 0;
    for (const meta_test::Vector& vector : meta_test::all_vectors()) {
        if (!meta_test::has_file(vector.name + ".dump.txt")) {
            continue;
        }
        SCOPED_TRACE(vector.name);
        std::string expected = meta_test::read_text(vector.name + ".dump.txt");
        expected = expected.substr(expected.find("version"));
        const std::string zero = "flags 0x00000000;";
        expected.replace(expected.find(zero),
                         zero.size(),
                         base::format("flags 0x%08X;", vector.superblock().flags));
        EXPECT_EQ(dump_of(vector), expected);
        ++checked;
    }
    EXPECT_GE(checked, 8);
}

TEST(DumpText, IsReadBack) {
    for (const meta_test::Vector& vector : meta_test::all_vectors()) {
        SCOPED_TRACE(vector.name);
        const Superblock sb = vector.superblock();
        if (!sb.is_clean()) {
            continue;
        }
        const auto dump = meta::parse_dump(dump_of(vector), vector.bitmap().size());
        ASSERT_TRUE(dump) << dump.error().text;
        Superblock restored = dump->superblock;
        // Not part of a dump: these follow from the device.
        restored.md_size_sectors = sb.md_size_sectors;
        restored.al_offset = sb.al_offset;
        restored.bm_offset = sb.bm_offset;
        restored.al_nr_extents = sb.al_nr_extents;
        EXPECT_EQ(restored, sb);
        const base::ConstBytes bitmap = vector.bitmap().first(dump->bitmap.size());
        EXPECT_EQ(dump->bitmap, std::vector<std::uint8_t>(bitmap.begin(), bitmap.end()));
    }
}

TEST(DumpText, WrittenByHandIsRestoredAsTheOriginalDoes) {
    const auto vector = meta_test::load("v08-int-64m-restored");
    const auto dump =
        meta::parse_dump(meta_test::read_text("v08-int-64m-restored.input.txt"), 4096);
    ASSERT_TRUE(dump) << dump.error().text;
    EXPECT_EQ(dump->superblock.flags, 0x91u);
    std::vector<std::uint8_t> bitmap = dump->bitmap;
    bitmap.resize(4096);
    EXPECT_EQ(bitmap, std::vector<std::uint8_t>(vector.bitmap().begin(), vector.bitmap().end()));
}

TEST(DumpText, OfUncleanMetadataCannotBeRestored) {
    const auto vector = meta_test::load("v08-int-64m-kcrash-primary-connected.before");
    const auto dump = meta::parse_dump(dump_of(vector), 4096);
    ASSERT_FALSE(dump);
    EXPECT_NE(dump.error().text.find("unclean"), std::string::npos);
}

std::string small_dump(const std::string& bitmap) {
    return "version \"v08\";\n"
           "uuid { 0x0000000000000004; 0x0000000000000000; 0x0000000000000000;"
           " 0x0000000000000000; flags 0x00000080; }\n"
           "la-size-sect 130992;\nbm-byte-per-bit 4096;\ndevice-uuid 0x0000000000000000;\n"
           "la-peer-max-bio-size 0;\nal-stripes 1;\nal-stripe-size-4k 8;\nbm {" +
           bitmap + "}\n";
}

TEST(DumpText, ErrorsNameTheLine) {
    const auto dump = meta::parse_dump(small_dump("\n 0x123;"), 4096);
    ASSERT_FALSE(dump);
    EXPECT_EQ(dump.error().text,
              "Parse error in line 10: a 16-digit hex number expected, but found '0x123'");
}

TEST(DumpText, RefusesHostileText) {
    EXPECT_TRUE(meta::parse_dump(small_dump("512 times 0x00000000FFFFFFFF;"), 4096));
    for (const char* bitmap : {"513 times 0x0000000000000000;",
                               "9999999999999999999 times 0x0000000000000000;",
                               "99999999999999999999 times 0x0000000000000000;",
                               "512 times 0x0000000000000000; 0x0000000000000000;",
                               "-1 times 0x0000000000000000;",
                               "0x0000000000000000",
                               "0x00000000000000000;",
                               "{",
                               "\"",
                               "} x"}) {
        EXPECT_FALSE(meta::parse_dump(small_dump(bitmap), 4096)) << bitmap;
    }
    const std::string whole = small_dump("0x0000000000000000;");
    for (std::size_t length = 0; length + 2 < whole.size(); ++length) {
        EXPECT_FALSE(meta::parse_dump(whole.substr(0, length), 4096)) << length;
    }
    EXPECT_EQ(meta::parse_dump("version \"v09\";", 4096).error().code,
              base::ErrorCode::Unsupported);
}

}  // namespace
