#include "meta/dump_v09.h"

#include "base/log.h"
#include "meta/dump_reader.h"

#include <array>

namespace meta {

using base::ErrorCode;
using base::Result;
using base::ull;

namespace {

constexpr std::size_t kUuidsPerLine = 4;

struct Named {
    std::uint32_t flag;
    const char* name;
};

constexpr Named kPeerFlagNames[] = {{kV09PeerConnected, "connected"},
                                    {kV09PeerOutdated, "<=outdated"},
                                    {0x4, "fencing"},
                                    {kV09PeerFullSync, "full-sync"},
                                    {0x10, "seen"},
                                    {0x10000, "exists"}};

// " # connected | seen", lowest bit first.
std::string in_words(std::uint32_t flags) {
    std::string text;
    for (unsigned bit = 0; bit < 32; ++bit) {
        const std::uint32_t flag = 1u << bit;
        if ((flags & flag) == 0) {
            continue;
        }
        std::string name = base::format("0x%x=?", flag);
        for (const Named& named : kPeerFlagNames) {
            name = named.flag == flag ? named.name : name;
        }
        text += (text.empty() ? " # " : " | ") + name;
    }
    return text;
}

std::string peers_text(const SuperblockV09& sb) {
    std::string text;
    for (std::size_t i = 0; i < kV09Nodes; ++i) {
        const V09Peer& peer = sb.peers[i];
        text += base::format(
            "peer[%zu] {\n    bitmap-index %d;\n    bitmap-uuid 0x%016llX;\n"
            "    bitmap-dagtag 0x%016llX;\n    flags 0x%08X;%s\n}\n",
            i,
            peer.bitmap_index,
            ull(peer.bitmap_uuid),
            ull(peer.bitmap_dagtag),
            peer.flags,
            in_words(peer.flags).c_str());
    }
    return text;
}

std::string history_text(const SuperblockV09& sb) {
    std::string text = "history-uuids {";
    for (std::size_t i = 0; i < kV09HistoryUuids; ++i) {
        text += i % kUuidsPerLine == 0 ? "\n       " : "";
        text += base::format(" 0x%016llX;", ull(sb.history_uuids[i]));
    }
    return text + "\n}\n";
}

// Every slot once, in any order.
void read_peers(DumpReader& in, SuperblockV09& sb) {
    std::array<bool, kV09Nodes> seen{};
    for (std::size_t n = 0; n < kV09Nodes && !in.failed(); ++n) {
        std::size_t slot = 0;
        while (slot < kV09Nodes && in.token() != base::format("peer[%zu]", slot)) {
            ++slot;
        }
        if (slot < kV09Nodes && seen[slot]) {
            in.fail({ErrorCode::Invalid, base::format("peer[%zu] is there twice", slot)});
            return;
        }
        in.word(slot < kV09Nodes ? base::format("peer[%zu]", slot) : "peer[0] to peer[31]");
        if (in.failed()) {
            return;
        }
        seen[slot] = true;
        V09Peer& peer = sb.peers[slot];
        in.word("{");
        in.setting("bitmap-index", peer.bitmap_index);
        in.hex_setting("bitmap-uuid", peer.bitmap_uuid);
        in.hex_setting("bitmap-dagtag", peer.bitmap_dagtag);
        in.hex_setting("flags", peer.flags);
        in.word("}");
    }
}

void read_history(DumpReader& in, SuperblockV09& sb) {
    in.word("history-uuids");
    in.word("{");
    for (std::uint64_t& uuid : sb.history_uuids) {
        uuid = in.hex(16);
        in.word(";");
    }
    in.word("}");
}

void read_max_peers(DumpReader& in) {
    std::uint32_t peers = 0;
    in.setting("max-peers", peers);
    if (!in.failed() && peers != 1) {
        in.fail({ErrorCode::Unsupported,
                 base::format("the dump is for %u peers: this version knows v09 for one", peers)});
    }
}

}  // namespace

std::string dump_head(const SuperblockV09& sb,
                      std::uint64_t superblock_byte,
                      std::uint64_t bitmap_bytes) {
    const auto place = [&](std::int32_t offset) {
        return static_cast<long long>(superblock_byte) + offset * 512ll;
    };
    std::string text = "version \"v09\";\n\n";
    if (!sb.is_clean()) {
        text +=
            "This_is_an_unclean_meta_data_dump._Don't_trust_the_bitmap.\n"
            "# You should \"apply-al\" first, if you plan to restore this.\n\n";
    }
    text += base::format(
        "max-peers 1;\n# md_size_sect %u\n# md_offset %llu\n# al_offset %lld\n# bm_offset %lld\n\n",
        sb.md_size_sectors,
        ull(superblock_byte),
        place(sb.al_offset),
        place(sb.bm_offset));
    text += base::format("node-id %d;\ncurrent-uuid 0x%016llX;\nflags 0x%08X;\n",
                         sb.node_id,
                         ull(sb.current_uuid),
                         sb.flags);
    text += peers_text(sb) + history_text(sb);
    text += base::format(
        "# al-extents %u;\nla-size-sect %llu;\nbm-byte-per-bit %u;\ndevice-uuid 0x%016llX;\n"
        "la-peer-max-bio-size %u;\nal-stripes %u;\nal-stripe-size-4k %u;\n# bm-bytes %llu;\n"
        "bitmap[0] {",
        sb.al_nr_extents,
        ull(sb.la_size_sectors),
        sb.bm_bytes_per_bit,
        ull(sb.device_uuid),
        sb.la_peer_max_bio_size,
        sb.al_stripes,
        sb.al_stripe_size_4k,
        ull(bitmap_bytes));
    return text;
}

Result<DumpV09> parse_dump_v09(std::string_view text, std::uint64_t max_bitmap_bytes) {
    DumpReader in(text, max_bitmap_bytes);
    DumpV09 dump;
    SuperblockV09& sb = dump.superblock;
    in.version("v09");
    read_max_peers(in);
    in.setting("node-id", sb.node_id);
    in.hex_setting("current-uuid", sb.current_uuid);
    in.hex_setting("flags", sb.flags);
    read_peers(in, sb);
    read_history(in, sb);
    read_sizes(in, sb);
    dump.bitmap = in.last_bitmap("bitmap[0]");
    if (in.failed()) {
        return in.error();
    }
    return dump;
}

}  // namespace meta
