#include "tests/sim/coverage.h"

#include "base/require.h"

#include <algorithm>
#include <charconv>

namespace sim {

namespace {

struct Place {
    const char* name;
    const char* words;  // of a log line
};

constexpr Place kLines[] = {
    {"split brain, unresolved", "Split-Brain detected but unresolved"},
    {"split brain, by policy", "automatically solved"},
    {"split brain, by a person", "manually solved"},
    {"unrelated data", "Unrelated data, aborting!"},
    {"target although Primary", "I shall become SyncTarget, but I am primary!"},
    {"source although inconsistent", "I shall become SyncSource, but I am inconsistent!"},
    {"decided by disk states", "due to disk states."},
    {"full sync by the identifiers", "full sync required after drbd_sync_handshake"},
    {"bits without a resync", "bits in bitmap!"},
    {"other data are in use: connect", "Can only connect to data with current UUID"},
    {"other data are in use: attach", "Can only attach to data with current UUID"},
    {"the peer lacks writes", "the peer lacks writes that the application saw"},
    {"writes lost with the disk", "Acknowledged writes are not known to be safe"},
    {"outdated beside a diskless peer", "our data are outdated and the peer has no disk"},
    {"a disk that came back unasked", "has come back unasked"},
    {"the source lost its disk", "the sync source lost its disk"},
    {"a resync that was given up", "the peer began a resync that we had given up"},
    {"failed resync blocks", "failed blocks"},
    {"log replayed", "based on AL"},
    {"attach failed", "attach failed"},
    {"local READ error", "local READ IO error"},
    {"local WRITE error", "local WRITE IO error"},
    {"peer's write failed", "write for the peer failed"},
    {"peer's flush failed", "flush for the peer failed"},
    {"peer's read failed", "read for the peer failed"},
    {"resync read failed", "resync read: errno"},
    {"resync rewrite failed", "resync rewrite: errno"},
    {"resync write failed", "resync write: errno"},
    {"metadata I/O failed", "meta-data I/O error"},
    {"ko-count", "Remote failed to finish a request within the timeout"},
    {"sending timed out", "sending timed out"},
    {"ping timed out", "PingAck did not arrive in time"},
    {"fence-peer: inconsistent", "returned 3"},
    {"fence-peer: outdated", "returned 4"},
    {"fence-peer: unreachable", "returned 5"},
    {"fence-peer: primary", "returned 6"},
    {"fence-peer: broken", "fence-peer helper broken"},
    {"promotion failed by the peer", "Requested state change failed by peer"},
    {"peer's request refused", "State change failed:"},
    {"incompatible settings", "incompatible "},
    {"resync ended too early", "ended the resync, but"},
};

constexpr int kRules[] = {10, 20, 30, 34, 35, 36, 37, 40, 41, 50, 51, 60, 70, 71, 80, 90, 100};

constexpr const char* kPackets[] = {"NegAck",
                                    "NegDreply",
                                    "NegRsDreply",
                                    "RsCancel",
                                    "OutOfSync",
                                    "Trim",
                                    "Zeroes",
                                    "Bitmap",
                                    "CompressedBitmap",
                                    "DataRequest",
                                    "RsWriteAck",
                                    "RecvAck",
                                    "ConnStChgReq"};

constexpr const char* kOthers[] = {"paused reading",
                                   "a command was given up",
                                   "power cut",
                                   "payload spoilt on the wire",
                                   "process killed",
                                   "process frozen",
                                   "a flush lost what it covered"};

std::string rule_place(int number) {
    return "rule " + std::to_string(number);
}

std::string packet_place(std::string_view command) {
    return "packet " + std::string(command);
}

}  // namespace

Coverage::Coverage() {
    for (const Place& place : kLines) {
        counts_[place.name] = 0;
    }
    for (const int number : kRules) {
        counts_[rule_place(number)] = 0;
    }
    for (const char* command : kPackets) {
        counts_[packet_place(command)] = 0;
    }
    for (const char* place : kOthers) {
        counts_[place] = 0;
    }
}

void Coverage::log_line(std::string_view line) {
    constexpr std::string_view kByRule = " by rule ";
    if (const auto at = line.find(kByRule); at != std::string_view::npos) {
        int number = 0;
        std::from_chars(line.data() + at + kByRule.size(), line.data() + line.size(), number);
        ++counts_[rule_place(number)];
        return;
    }
    for (const Place& place : kLines) {
        if (line.find(place.words) != std::string_view::npos) {
            ++counts_[place.name];
        }
    }
}

void Coverage::packet_sent(std::string_view command) {
    if (std::find(std::begin(kPackets), std::end(kPackets), command) != std::end(kPackets)) {
        ++counts_[packet_place(command)];
    }
}

void Coverage::reached(const char* place) {
    const auto found = counts_.find(place);
    REQUIRE(found != counts_.end());
    ++found->second;
}

}  // namespace sim
