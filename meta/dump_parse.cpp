#include "meta/dump.h"
#include "meta/dump_reader.h"

#include <array>

namespace meta {

using base::Result;

namespace {

void read_uuids(DumpReader& in, Superblock& sb) {
    in.word("uuid");
    in.word("{");
    for (std::uint64_t* uuid : std::array<std::uint64_t*, 4>{
             &sb.current_uuid, &sb.bitmap_uuid, &sb.history_uuids[0], &sb.history_uuids[1]}) {
        *uuid = in.hex(16);
        in.word(";");
    }
    in.hex_setting("flags", sb.flags);
    in.word("}");
}

}  // namespace

Result<Dump> parse_dump(std::string_view text, std::uint64_t max_bitmap_bytes) {
    DumpReader in(text, max_bitmap_bytes);
    Dump dump;
    Superblock& sb = dump.superblock;
    in.version("v08");
    read_uuids(in, sb);
    read_sizes(in, sb);
    dump.bitmap = in.last_bitmap("bm");
    if (in.failed()) {
        return in.error();
    }
    return dump;
}

}  // namespace meta
