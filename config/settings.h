// The settings of one resource as one node needs them: typed, in the units of drbd.conf, with
// DRBD's defaults. Made from a parsed file by select_node() (drbd_conf.h); travels to the daemon as
// JSON (drbdd/control/messages.h). Configuration specification, section 5.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace config {

using Deciseconds = std::chrono::duration<std::int64_t, std::deci>;
using Seconds = std::chrono::duration<std::int64_t>;

enum class Protocol { A, B, C };

enum class AfterSb0Pri {
    Disconnect,
    DiscardYoungerPrimary,
    DiscardOlderPrimary,
    DiscardZeroChanges,
    DiscardLeastChanges,
    DiscardLocal,
    DiscardRemote,
};

enum class AfterSb1Pri {
    Disconnect,
    Consensus,
    ViolentlyAs0p,
    DiscardSecondary,
    CallPriLostAfterSb,
};

enum class AfterSb2Pri { Disconnect, ViolentlyAs0p, CallPriLostAfterSb };

enum class RrConflict { Disconnect, Violently, CallPriLost };

enum class Fencing { DontCare, ResourceOnly, ResourceAndStonith };

enum class OnNoData { IoError, SuspendIo };

enum class OnIoError { PassOn, CallLocalIoError, Detach };
enum class OnCongestion { Block, PullAhead, Disconnect };
enum class ReadBalancing {
    PreferLocal,
    PreferRemote,
    RoundRobin,
    LeastPending,
    WhenCongestedRemote,
    Striping32K,
    Striping64K,
    Striping128K,
    Striping256K,
    Striping512K,
    Striping1M,
};

// The words of drbd.conf in the order of the enumerators; words<E>()[int(value)] names a value.
template <typename E>
std::span<const std::string_view> words();
template <>
std::span<const std::string_view> words<Protocol>();
template <>
std::span<const std::string_view> words<AfterSb0Pri>();
template <>
std::span<const std::string_view> words<AfterSb1Pri>();
template <>
std::span<const std::string_view> words<AfterSb2Pri>();
template <>
std::span<const std::string_view> words<RrConflict>();
template <>
std::span<const std::string_view> words<Fencing>();
template <>
std::span<const std::string_view> words<OnIoError>();
template <>
std::span<const std::string_view> words<OnNoData>();
template <>
std::span<const std::string_view> words<OnCongestion>();
template <>
std::span<const std::string_view> words<ReadBalancing>();

template <typename E>
std::string_view word(E value) {
    return words<E>()[static_cast<std::size_t>(value)];
}

struct NetSettings {
    Protocol protocol = Protocol::C;
    Deciseconds timeout{60};
    Seconds connect_int{10};
    Seconds ping_int{10};
    Deciseconds ping_timeout{5};
    Deciseconds socket_check_timeout{0};   // 0: ping_timeout
    std::uint32_t ko_count = 7;            // 0: off
    std::uint32_t max_epoch_size = 2048;   // writes between two barriers
    std::uint32_t max_buffers = 2048;      // pages of 4 KiB
    std::uint32_t unplug_watermark = 128;  // requests
    std::uint32_t sndbuf_size_bytes = 0;   // 0: left to the operating system
    std::uint32_t rcvbuf_size_bytes = 0;   // 0: left to the operating system
    AfterSb0Pri after_sb_0pri = AfterSb0Pri::Disconnect;
    AfterSb1Pri after_sb_1pri = AfterSb1Pri::Disconnect;
    AfterSb2Pri after_sb_2pri = AfterSb2Pri::Disconnect;
    RrConflict rr_conflict = RrConflict::Disconnect;
    bool always_asbp = false;
    bool use_rle = true;
    bool tcp_cork = true;
    std::string cram_hmac_alg;  // empty: no authentication
    std::string shared_secret;
    std::string data_integrity_alg;  // empty: no digests go with the data
    std::string csums_alg;           // empty: a resync copies all that is marked
    bool csums_after_crash_only = false;
    OnCongestion on_congestion = OnCongestion::Block;
    std::uint32_t congestion_fill_sectors = 0;  // 0: any number may be on its way
    std::uint32_t congestion_extents = 1237;
    std::string verify_alg;               // empty: no online verify
    Fencing fencing = Fencing::DontCare;  // where files for 9 have it; the stricter one counts

    bool operator==(const NetSettings&) const = default;
};

struct DiskSettings {
    std::uint64_t size_sectors = 0;  // 0: all of the backing device
    OnIoError on_io_error = OnIoError::Detach;
    Fencing fencing = Fencing::DontCare;
    bool disk_barrier = false;
    bool disk_flushes = true;
    bool disk_drain = true;
    bool md_flushes = true;
    std::uint32_t al_extents = 1237;
    std::uint32_t resync_rate_kib = 250;  // KiB/s
    std::string resync_after;             // minor of the volume that comes first; empty: none does
    Deciseconds c_plan_ahead{20};         // 0: resync_rate_kib is what is used
    Deciseconds c_delay_target{10};
    std::uint32_t c_fill_target_sectors = 100;
    std::optional<std::uint32_t> c_max_rate_kib;  // KiB/s; unset: not in the file (DRBD: 102400)
    std::uint32_t c_min_rate_kib = 250;           // KiB/s; 0: never give way to the application
    Deciseconds disk_timeout{0};                  // 0: a disk that hangs is waited for
    ReadBalancing read_balancing = ReadBalancing::PreferLocal;

    bool operator==(const DiskSettings&) const = default;
};

struct StartupSettings {
    Seconds wfc_timeout{0};  // 0: for ever, in all three
    Seconds degr_wfc_timeout{0};
    Seconds outdated_wfc_timeout{0};
    bool stacked_timeouts = false;  // they count for a stacked resource too
    bool wait_after_sb = false;

    bool operator==(const StartupSettings&) const = default;
};

// Calls visit("option-name", member) for each option, in the order that the original prints them.
// One list serves reading a file, reading and writing JSON and comparing.
template <typename Net, typename Visit>
void for_each_net_option(Net& net, Visit&& visit) {
    visit("protocol", net.protocol);
    visit("timeout", net.timeout);
    visit("max-epoch-size", net.max_epoch_size);
    visit("max-buffers", net.max_buffers);
    visit("unplug-watermark", net.unplug_watermark);
    visit("connect-int", net.connect_int);
    visit("ping-int", net.ping_int);
    visit("sndbuf-size", net.sndbuf_size_bytes);
    visit("rcvbuf-size", net.rcvbuf_size_bytes);
    visit("ko-count", net.ko_count);
    visit("cram-hmac-alg", net.cram_hmac_alg);
    visit("shared-secret", net.shared_secret);
    visit("after-sb-0pri", net.after_sb_0pri);
    visit("after-sb-1pri", net.after_sb_1pri);
    visit("after-sb-2pri", net.after_sb_2pri);
    visit("always-asbp", net.always_asbp);
    visit("rr-conflict", net.rr_conflict);
    visit("ping-timeout", net.ping_timeout);
    visit("data-integrity-alg", net.data_integrity_alg);
    visit("tcp-cork", net.tcp_cork);
    visit("on-congestion", net.on_congestion);
    visit("congestion-fill", net.congestion_fill_sectors);
    visit("congestion-extents", net.congestion_extents);
    visit("csums-alg", net.csums_alg);
    visit("csums-after-crash-only", net.csums_after_crash_only);
    visit("verify-alg", net.verify_alg);
    visit("use-rle", net.use_rle);
    visit("socket-check-timeout", net.socket_check_timeout);
    visit("fencing", net.fencing);
}

template <typename Disk, typename Visit>
void for_each_disk_option(Disk& disk, Visit&& visit) {
    visit("size", disk.size_sectors);
    visit("on-io-error", disk.on_io_error);
    visit("fencing", disk.fencing);
    visit("disk-barrier", disk.disk_barrier);
    visit("disk-flushes", disk.disk_flushes);
    visit("disk-drain", disk.disk_drain);
    visit("md-flushes", disk.md_flushes);
    visit("al-extents", disk.al_extents);
    visit("resync-rate", disk.resync_rate_kib);
    visit("resync-after", disk.resync_after);
    visit("c-plan-ahead", disk.c_plan_ahead);
    visit("c-delay-target", disk.c_delay_target);
    visit("c-fill-target", disk.c_fill_target_sectors);
    visit("c-max-rate", disk.c_max_rate_kib);
    visit("c-min-rate", disk.c_min_rate_kib);
    visit("disk-timeout", disk.disk_timeout);
    visit("read-balancing", disk.read_balancing);
}

template <typename Startup, typename Visit>
void for_each_startup_option(Startup& startup, Visit&& visit) {
    visit("wfc-timeout", startup.wfc_timeout);
    visit("degr-wfc-timeout", startup.degr_wfc_timeout);
    visit("outdated-wfc-timeout", startup.outdated_wfc_timeout);
    visit("stacked-timeouts", startup.stacked_timeouts);
    visit("wait-after-sb", startup.wait_after_sb);
}

// Of the resource itself: its section `options`.
template <typename Resource, typename Visit>
void for_each_resource_option(Resource& resource, Visit&& visit) {
    visit("cpu-mask", resource.cpu_mask);
    visit("on-no-data-accessible", resource.on_no_data);
}

enum class AddressFamily { Ipv4, Ipv6 };

struct Address {
    AddressFamily family = AddressFamily::Ipv4;
    std::string ip;  // numeric, without brackets; an IPv6 one may have a scope: "fe80::1%eth0"
    std::uint16_t port = 0;

    bool operator==(const Address&) const = default;
};

// The one way to write this address: without leading zeroes, in lower case, as short as it can be.
// What is no address stays as it is.
Address canonical(Address address);

// "ipv4:10.9.9.1:7788", "ipv6:[fd00::1]:7788": the form of drbdsetup's arguments.
std::string to_string(const Address& address);

// The numbers of the processors in a mask of hexadecimal digits, commas between them or not, with
// those of the first ones last; nothing if it is no mask. Bits beyond the 1024th are left out.
std::optional<std::vector<unsigned>> processors_of(std::string_view mask);

// One volume on this node.
struct VolumeSettings {
    std::uint16_t number = 0;
    std::uint32_t minor = 0;
    std::string device;     // "/dev/drbd5" or "/dev/drbd_name"
    std::string disk;       // path of the backing device or file
    std::string meta_disk;  // the same of metadata on a device of its own; empty: internal
    std::optional<std::uint32_t> meta_index;  // its slot there; nothing: all of the device
    bool implicit = false;  // the file has no `volume 0 { }` around it: by-res/RES without a number
    DiskSettings options;

    bool operator==(const VolumeSettings&) const = default;
};

struct ResourceSettings {
    std::string name;
    std::string config_file;  // canonical path, for the handlers' DRBD_CONF
    std::string node;         // this host's name in the file
    std::string peer;         // the other host's name in the file
    Address address;
    Address peer_address;
    std::string cpu_mask;  // hexadecimal; empty: all processors
    OnNoData on_no_data = OnNoData::IoError;
    NetSettings net;
    StartupSettings startup;
    std::vector<VolumeSettings> volumes;          // ascending by number, at least one
    std::map<std::string, std::string> handlers;  // name -> shell command

    bool operator==(const ResourceSettings&) const = default;
};

}  // namespace config
