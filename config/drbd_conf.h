// drbd.conf as it is written: DRBD's 8.4 grammar with file and line of everything, checked, and
// back to text. settings_for() turns a resource into what one node needs. Configuration
// specification, sections 2 to 6.
#pragma once

#include "base/result.h"
#include "config/options.h"
#include "config/settings.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

inline constexpr std::uint32_t kMaxMinor = (1u << 20) - 1;

struct Place {
    std::string file;  // as the user or an include named it
    int line = 0;
};

struct Option {
    std::string name;   // canonical
    std::string value;  // as in the file; "yes" or "no" for a bool
    Place place;
};

using Options = std::vector<Option>;

struct GlobalConf {
    Place place;
    bool disable_ip_verification = false;
    bool udev_always_use_vnr = false;  // /dev/drbd/by-res/RES/0 for implicit volumes, too
    std::optional<std::uint32_t> minor_count;
    std::optional<std::uint32_t> dialog_refresh;
    std::optional<std::uint32_t> cmd_timeout_short;
    std::optional<std::uint32_t> cmd_timeout_medium;
    std::optional<std::uint32_t> cmd_timeout_long;
    std::string usage_count;  // "" if not set. Whatever it says, nothing is ever reported anywhere.
};

// A volume as far as one section describes it: what a host's section leaves out comes from the
// resource's.
struct VolumeConf {
    std::uint16_t number = 0;
    bool implicit = false;  // device, disk, meta-disk stand without `volume 0 { }`
    Place place;
    std::string device;  // "/dev/drbd0"; empty if only a minor is given
    std::optional<std::uint32_t> minor;
    std::string disk;
    Place disk_place;
    std::string meta_disk;                    // "internal", or a device
    std::optional<std::uint32_t> meta_index;  // of the slot in that device
    Place meta_place;
    Options options;  // disk { }
};

struct HostConf {
    std::vector<std::string> names;
    Place place;
    std::string address_family;  // "ipv4", "ipv6"; empty: no address
    Place address_place;
    bool floating = false;   // no names: this host is the one that has the address
    bool is_this = false;    // floating: this one
    std::string stacked_on;  // the lower resource, whose hosts are these; empty: not stacked
    Address address;
    std::optional<std::uint32_t> node_id;  // of DRBD 9: nothing hangs on it here
    Options options;
    Options disk;                     // disk { }, for all volumes on this host
    std::vector<VolumeConf> volumes;  // ascending; complete after loading
};

// One end of a connection, in DRBD 9's style. What it leaves out comes from the host's section.
struct EndpointConf {
    std::string host;
    Place place;
    std::string address_family;  // empty: no address of its own
    Address address;
    std::optional<std::uint16_t> port;
};

struct ConnectionConf {
    std::string name;
    Place place;
    std::vector<EndpointConf> ends;
    std::vector<std::vector<EndpointConf>> paths;
    Options net;
    Options disk;                              // about the peer's devices, as the next
    std::map<std::uint16_t, Options> volumes;  // number -> disk { }
};

struct MeshConf {
    Place place;
    std::vector<std::string> hosts;
    Options net;
};

struct ResourceConf {
    std::string name;  // empty: this is `common`
    Place place;
    std::string canonical_file;  // of place.file
    std::vector<VolumeConf> volumes;
    std::vector<HostConf> hosts;
    std::vector<ConnectionConf> connections;
    std::vector<MeshConf> meshes;
    // What this version does not support, with file and line: the resource is not brought up for
    // it, all else works.
    std::vector<std::string> refusals;
    std::string template_file;                   // empty: none
    std::shared_ptr<const ResourceConf> common;  // of the template; null: that of the whole file
    Options net;
    Options disk;
    Options options;
    Options startup;
    Options handlers;

    const HostConf* find_host(std::string_view node) const;
    bool is_stacked(std::string_view node) const;  // on this node
    bool is_in_style_of_9() const;
    const Options& section(Section section) const;
    Options& section(Section section);
};

struct DrbdConf {
    std::string file;  // canonical path
    std::optional<GlobalConf> global;
    std::optional<ResourceConf> common;
    std::vector<ResourceConf> resources;  // in file order
    // What the file asks of the kernel module and this is not: no resource is brought up for it.
    std::vector<std::string> refusals;

    const ResourceConf* find_resource(std::string_view name) const;
};

// Where files come from, and what the host is, so that tests and the fuzzer need none.
class FileSource {
public:
    virtual ~FileSource() = default;
    virtual base::Result<std::string> read(const std::string& path) = 0;
    virtual std::vector<std::string> glob(const std::string& pattern) = 0;  // sorted
    virtual std::string canonical(const std::string& path) = 0;             // `path` if it has none
    virtual bool has_address(const std::string& ip) = 0;  // on an interface of this host
};

// The file system; "-" is standard input. A file may have 16 MiB.
class SystemFiles : public FileSource {
public:
    base::Result<std::string> read(const std::string& path) override;
    std::vector<std::string> glob(const std::string& pattern) override;
    std::string canonical(const std::string& path) override;
    bool has_address(const std::string& ip) override;
};

// `errors` non-empty: the configuration is invalid, no command may use it. Each text is complete,
// with file and line; some have several lines.
struct LoadedConf {
    DrbdConf conf;
    std::vector<std::string> errors;
    std::vector<std::string> warnings;  // of options without an effect, each option once
    std::vector<std::string> notes;     // what the original, too, says of a valid file
    bool unreadable = false;            // the first file could not be read
    bool syntax_error = false;          // what follows the error was not read
};

// Beside the main file: one to be read as if it had been included at the end, and one that is not
// read where it is included. "": none.
struct OtherFiles {
    std::string also;
    std::string without;
};

// `node` is this host's name: minors, disks and addresses must be unique on this host.
LoadedConf load_drbd_conf(const std::string& path,
                          std::string_view node,
                          FileSource& files,
                          const OtherFiles& others = {});

// The first that exists of /etc/drbd-84.conf, drbd-83.conf, drbd-82.conf, drbd-08.conf, drbd.conf;
// the last if none does.
std::string default_drbd_conf();

// The whole file in the original's canonical form, or one resource of it.
std::string dump(const DrbdConf& conf, std::string_view node);
std::string dump_head(const DrbdConf& conf);  // file name, global, common
std::string dump_resource(const ResourceConf& resource, std::string_view node);

// All of it as the original's `drbdadm dump-xml` has it.
std::string dump_xml(const DrbdConf& conf);

// The option of this name that counts: the last one. Null: there is none.
const Option* last_of(const Options& options, std::string_view name);

// The minor, on this node, of the volume that `resync-after` names ("RES" or "RES/VOL"); what names
// none as it is.
std::string minor_that_is_first(const DrbdConf& conf,
                                std::string_view node,
                                const std::string& resync_after);

// What `resource` inherits from, which a template of its own replaces; null: nothing.
const ResourceConf* common_of(const DrbdConf& conf, const ResourceConf& resource);

// The section's options with those of common that the resource does not set itself, in the order in
// which the original passes them on: inherited ones first, the last of them foremost.
Options effective_options(const DrbdConf& conf, const ResourceConf& resource, Section section);

// The section of a host that is named; null: there is none.
const HostConf* find_named(const ResourceConf& resource, std::string_view name);

// What node `node` needs to run `resource`: common inherited, volumes resolved. Fails if the
// resource has no section for it, or none for a peer, or asks for what this version does not have:
// then the text names it all, with file and line.
base::Result<ResourceSettings> settings_for(const DrbdConf& conf,
                                            const ResourceConf& resource,
                                            std::string_view node);

// Sets what `options` say, which check_value() has found good, and leaves the rest as it is.
void apply_options(NetSettings& net, const Options& options);
void apply_options(DiskSettings& disk, const Options& options);
void apply_options(ResourceSettings& resource, const Options& options);  // those of `options`

// For how long to wait for the peer, also where the resource cannot be run.
StartupSettings startup_of(const DrbdConf& conf, const ResourceConf& resource);

}  // namespace config
