// The words of the original for its numbers and states. Configuration specification, sections 9.1
// and 11.
#include "drbdd/control/messages.h"

#include <algorithm>
#include <array>

namespace control {

namespace {

struct NumberedText {
    int code;
    std::string_view text;
};

constexpr NumberedText kTexts[] = {
    {101, "no error"},
    {102, "Local address(port) already in use."},
    {103, "Remote address(port) already in use."},
    {104, "Can not open backing device."},
    {105, "Can not open meta device."},
    {106, "Lower device already in use."},
    {107, "Lower device is not a block device."},
    {108, "Meta device is not a block device."},
    {109, "Open of lower device failed."},
    {110, "Open of meta device failed."},
    {111, "Low.dev. smaller than requested DRBD-dev. size."},
    {112, "Meta device too small."},
    {113, "You have to use the disk command first."},
    {114, "Lower device is already claimed. This usually means it is mounted."},
    {115, "Meta device is already claimed. This usually means it is mounted."},
    {116, "Lower device / meta device / index combination invalid."},
    {118, "IO error(s) occurred during initial access to meta-data."},
    {119,
     "No valid meta-data signature found.\n\n"
     "\t==> Use 'drbdadm create-md res' to initialize meta-data area. <==\n"},
    {120,
     "The 'cram-hmac-alg' you specified is not known in the kernel. (Maybe you need to modprobe "
     "it, "
     "or modprobe hmac?)"},
    {121, "The 'cram-hmac-alg' you specified is not a digest."},
    {122, "kmalloc() failed. Out of memory?"},
    {123, "--discard-my-data not allowed when primary."},
    {124, "Device is attached to a disk (use detach first)"},
    {125, "Device has a net-config (use disconnect first)"},
    {126, "UnknownMandatoryTag"},
    {127, "Device minor not allocated"},
    {128, "Resulting device state would be invalid"},
    {129, "Interrupted by Signal"},
    {130, "Resize not allowed during resync."},
    {131, "Need one Primary node to resize."},
    {132, "The resync-after minor number is invalid"},
    {133, "This would cause a resync-after dependency cycle"},
    {134, "Sync-pause flag is already set"},
    {135, "Sync-pause flag is already cleared"},
    {136, "Disk state is lower than outdated"},
    {137, "Kernel does not know how to handle your request.\nMaybe API_VERSION mismatch?"},
    {138, "Device does not have a disk-config"},
    {139, "Protocol C required"},
    {140, "vmalloc() failed. Out of memory?"},
    {141, "The 'data-integrity-alg' you specified is not known here."},
    {143, "Invalid cpu-mask."},
    {148, "Can not change csums-alg while resync is in progress"},
    {149, "Can not change verify-alg while online verify runs"},
    {150, "Can only attach to the data we lost last (see kernel log)."},
    {151, "Need to be StandAlone"},
    {152, "Permission denied. CAP_SYS_ADMIN necessary"},
    {153, "Protocol version 93 required to use --assume-clean"},
    {155, "on-congestion policy pull-ahead only with prot A allowed"},
    {158, "Unknown resource"},
    {159, "Resource still in use (delete all minors first)"},
    {160, "Minor still configured (down it first)"},
    {161, "Minor or volume exists already (delete it first)"},
    {162, "Invalid configuration request"},
    {165, "Unclean meta-data found.\nYou need to 'drbdadm apply-al res'"},
    {170, "Implicit device shrinking not allowed. See kernel log."},
    {-1, "Multiple primaries not allowed by config"},
    {-2, "Need access to UpToDate data"},
    {-4, "Can not resync without local disk"},
    {-5, "Can not resync without remote disk"},
    {-6, "Refusing to be Outdated while Connected"},
    {-7, "Refusing to be Primary while peer is not outdated"},
    {-8, "Can not start OV/resync since it is already active"},
    {-9, "Can not disconnect a StandAlone device"},
    {-10, "State change was refused by peer node"},
    {-11, "Device is diskless, the requested operation requires a disk"},
    {-12, "Device is held open by someone"},
    {-13, "Have no net/connection configuration"},
    {-14, "Need a verify algorithm to start online verify"},
    {-15, "Need a connection to start verify or resync"},
    {-16, "Disk state is lower than outdated"},
    {-17, "Peer does not support protocol"},
    {-18, "In transient state, retry after next state change"},
    {-19, "Concurrent state changes detected and aborted"},
    {-20, "Other vol primary on peer not allowed by config"},
    {-21, "Need a connection for a graceful disconnect/outdate peer"},
};

constexpr std::string_view kBeforeHandshake[] = {"StandAlone",
                                                 "Disconnecting",
                                                 "Unconnected",
                                                 "Timeout",
                                                 "BrokenPipe",
                                                 "NetworkFailure",
                                                 "ProtocolError",
                                                 "TearDown"};

bool is_before_handshake(std::string_view cstate) {
    return std::find(std::begin(kBeforeHandshake), std::end(kBeforeHandshake), cstate) !=
           std::end(kBeforeHandshake);
}

}  // namespace

std::string_view error_text(int code) {
    const auto found = std::find_if(std::begin(kTexts),
                                    std::end(kTexts),
                                    [&](const NumberedText& t) { return t.code == code; });
    return found == std::end(kTexts) ? std::string_view() : found->text;
}

std::string_view connection_word(std::string_view cstate) {
    if (cstate == "WFConnection") {
        return "Connecting";
    }
    return is_before_handshake(cstate) ? cstate : "Connected";
}

std::string_view replication_word(std::string_view cstate) {
    if (cstate == "WFConnection" || cstate == "WFReportParams" || is_before_handshake(cstate)) {
        return "Off";
    }
    return cstate == "Connected" ? "Established" : cstate;
}

double SyncProgress::percent_done() const {
    if (total_kib == 0) {
        return 100.0;
    }
    const std::uint64_t left = std::min(left_kib, total_kib);
    return 100.0 * static_cast<double>(total_kib - left) / static_cast<double>(total_kib);
}

// Two sectors are a KiB.
double DoneSince::mib_per_second() const {
    return static_cast<double>(sectors) * 1000.0 / 2048.0 /
           static_cast<double>(std::max<std::uint64_t>(ms, 1));
}

double SyncProgress::mib_per_second() const {
    const std::uint64_t done = total_kib - std::min(left_kib, total_kib);
    return DoneSince{ms - std::min(paused_ms, ms), done * 2}.mib_per_second();
}

std::optional<std::uint64_t> SyncProgress::eta_seconds() const {
    if (oldest.sectors == 0) {
        return std::nullopt;
    }
    const double left = static_cast<double>(left_kib - std::min(failed_kib, left_kib)) * 2;
    return static_cast<std::uint64_t>(static_cast<double>(oldest.ms) * 1e-3 * left /
                                      static_cast<double>(oldest.sectors));
}

}  // namespace control
