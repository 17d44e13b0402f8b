#include "drbdd/frontends.h"

#include "base/guarded.h"
#include "drbdd/carrier_watch.h"
#include "drbdd/runtime/nbd_export.h"
#include "kmod-shim/names.h"
#include "kmod-shim/node.h"
#include "kmod-shim/server_process.h"
#include "nbd-backend/server.h"

#include <boost/asio/ip/address.hpp>

#include <iterator>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace drbdd {

namespace {

std::string nbd_socket(const Places& places, std::uint32_t minor) {
    return base::format("%s/drbd%u.nbd", places.run_dir.c_str(), minor);
}

// What is neither encrypted nor allowed to be plain is not served: the configuration was checked,
// but this is the last place that can be wrong.
std::optional<nbd::NetworkDoor> network_door(std::uint32_t minor, const FrontendOptions& options) {
    const auto found = options.nbd.listen.find(minor);
    if (found == options.nbd.listen.end()) {
        return std::nullopt;
    }
    REQUIRE(options.tls || options.nbd.plaintext == config::Plaintext::Allowed);
    const config::Address& address = found->second;
    return nbd::NetworkDoor{{boost::asio::ip::make_address(address.ip), address.port}, options.tls};
}

class NbdExport : public runtime::Export {
public:
    NbdExport(boost::asio::io_context& context,
              io::BlockDevice& device,
              const Places& places,
              std::uint32_t minor,
              const FrontendOptions& options,
              base::LogSink& log)
        : server_(context, device, server_options(places, minor, options), log) {}

    base::Result<void> start() override { return server_.start(); }

    void stop(std::function<void()> stopped) override { server_.stop(std::move(stopped)); }

private:
    static nbd::ServerOptions server_options(const Places& places,
                                             std::uint32_t minor,
                                             const FrontendOptions& options) {
        nbd::ServerOptions result;
        result.socket_path = nbd_socket(places, minor);
        result.network = network_door(minor, options);
        result.is_carrier = [files = shim::run_files(places.run_dir, minor)](pid_t pid) {
            return pid == ::getpid() || shim::living_process(files.pid_file) == pid ||
                   shim::living_process(files.ublk_pid_file) == pid;
        };
        return result;
    }

    nbd::NbdServer server_;
};

// The carriers that a front end allows, the best first.
std::vector<std::string> carriers_for(config::Frontend frontend) {
    switch (frontend) {
        case config::Frontend::Auto:
            return {std::begin(shim::kBestFirst), std::end(shim::kBestFirst)};
        case config::Frontend::Ublk:
            return {"ublk"};
        case config::Frontend::Nbd:
            return {"nbd"};
        case config::Frontend::Fuse:
            return {"fuse"};
        case config::Frontend::None:
            break;
    }
    return {};
}

// shim::DeviceNode remembers nothing between calls, so that one is made for each: the block size
// is known only after the attach.
class CarriedNode : public runtime::DeviceNode {
public:
    CarriedNode(const runtime::VolumeIdentity& identity,
                const Places& places,
                config::Frontend frontend,
                base::LogSink& log)
        : log_(log),
          watch_("/dev/" + shim::node_name(identity.minor),
                 {[this] { return node().watched_process(); }, [this] { return revive(); }},
                 log) {
        spec_.carriers = carriers_for(frontend);
        spec_.without_device = frontend == config::Frontend::Auto ? shim::WithoutDevice::Accepted
                                                                  : shim::WithoutDevice::Refused;
        spec_.minor = identity.minor;
        spec_.resource = identity.resource;
        spec_.volume = identity.volume;
        spec_.implicit_volume = identity.implicit;
        spec_.backing_disk = runtime::is_export(identity.disk) ? "" : identity.disk;  // no path
        spec_.nbd_socket = nbd_socket(places, identity.minor);
        places_.run_dir = places.run_dir;
        places_.dev_dir = places.dev_dir;
    }

    void reserve() override {
        spec_.placeholder = true;
        if (const auto reserved = guarded([this] { return node().reserve(); }); !reserved) {
            log_.write(base::LogLevel::Warning,
                       "there is no placeholder at /dev/" + shim::node_name(spec_.minor) +
                           " while it is Secondary: " + reserved.error().text);
        }
    }

    void vacate() override {
        spec_.placeholder = false;
        if (const auto vacated = guarded([this] { return node().vacate(); }); !vacated) {
            log_.write(base::LogLevel::Warning, vacated.error().text);
        }
    }

    base::Result<void> attach(std::uint32_t block_bytes) override {
        watch_.stop();
        return watched(make(block_bytes));
    }

    base::Result<void> detach() override {
        watch_.stop();
        return watched(take_away());
    }

    base::Result<void> resize(std::uint64_t size_bytes) override {
        watch_.stop();
        return watched(guarded([this, size_bytes] { return node().resize(size_bytes); }));
    }

    std::string in_use() override { return node().in_use(); }

    std::string frontend() override {
        const std::string living = node().living();
        return living.empty() ? "none" : living;
    }

    std::string frontend_note() override { return note_; }

private:
    // Whatever has become of a deed: a device that is there afterwards is looked after.
    base::Result<void> watched(base::Result<void> done) {
        if (!node().needs_server()) {
            return done;
        }
        auto started = watch_.start();
        return done ? started : done;
    }

    base::Result<void> make(std::uint32_t block_bytes) {
        spec_.block_bytes = block_bytes;
        return guarded([this]() -> base::Result<void> {
            auto choice = node().attach();
            if (!choice) {
                return choice.error();
            }
            if (!choice->kept) {
                note_ = std::move(choice->why_not_better);
            }
            tell(choice->name);
            return {};
        });
    }

    base::Result<void> take_away() {
        return guarded([this] {
            auto detached = node().detach();
            if (detached) {
                note_.clear();
                told_.clear();
            }
            return detached;
        });
    }

    // While the watch runs, nobody else changes the device.
    base::Result<void> revive() {
        const auto adopted = node().adopt();
        if (!adopted) {
            return adopted.error();
        }
        return *adopted ? base::Result<void>()
                        : base::Error{base::ErrorCode::NotFound, "the device is gone"};
    }

    // Once for each device, not each time that somebody asks for what is there. Without a device
    // whoever promotes has to look for it in vain: that is a warning.
    void tell(const std::string& carrier) {
        const std::string why = note_.empty() ? "" : " (" + note_ + ")";
        const std::string device = "/dev/" + shim::node_name(spec_.minor);
        const std::string text =
            carrier.empty()
                ? device + " cannot be opened, the volume is only at " + spec_.nbd_socket + why
                : device + " frontend=" + carrier + why;
        if (std::exchange(told_, text) != text) {
            log_.write(carrier.empty() ? base::LogLevel::Warning : base::LogLevel::Info, text);
        }
    }

    // It runs on a thread where nobody else would catch what is thrown.
    template <typename Deed>
    base::Result<void> guarded(const Deed& deed) const {
        return base::guarded("/dev/" + shim::node_name(spec_.minor), deed);
    }

    shim::DeviceNode node() const { return shim::DeviceNode(spec_, places_); }

    base::LogSink& log_;
    shim::NodeSpec spec_;
    shim::NodePlaces places_;
    std::string note_;  // why the device that is there is not a better one
    std::string told_;
    CarrierWatch watch_;
};

// Users come through the NBD socket only.
class NoNode : public runtime::DeviceNode {
public:
    base::Result<void> attach(std::uint32_t) override { return {}; }

    base::Result<void> detach() override { return {}; }

    base::Result<void> resize(std::uint64_t) override { return {}; }

    std::string in_use() override { return {}; }

    std::string frontend() override { return "none"; }
};

}  // namespace

base::Result<FrontendOptions> frontend_options(const config::DrbddConf& conf) {
    FrontendOptions options{conf.frontend, conf.nbd, nullptr};
    for (const auto& [minor, address] : conf.nbd.listen) {
        boost::system::error_code error;
        boost::asio::ip::make_address(address.ip, error);
        if (error) {
            return base::Error{
                base::ErrorCode::Invalid,
                base::format(
                    "nbd-listen %u: %s is no address of this machine", minor, address.ip.c_str())};
        }
    }
    if (conf.nbd.has_tls()) {
        auto tls = nbd::TlsContext::load({conf.nbd.tls_certificates, conf.nbd.tls_psk});
        if (!tls) {
            return tls.error();
        }
        options.tls = std::move(*tls);
    }
    return options;
}

runtime::FrontendFactory make_frontends(const Places& places,
                                        const FrontendOptions& options,
                                        base::LogSink& log) {
    runtime::FrontendFactory factory;
    factory.make_export = [places, options, &log](boost::asio::io_context& context,
                                                  io::BlockDevice& device,
                                                  const runtime::VolumeIdentity& identity) {
        return std::make_unique<NbdExport>(context, device, places, identity.minor, options, log);
    };
    factory.make_node =
        [places, frontend = options.frontend, &log](
            const runtime::VolumeIdentity& identity) -> std::unique_ptr<runtime::DeviceNode> {
        if (frontend == config::Frontend::None) {
            return std::make_unique<NoNode>();
        }
        return std::make_unique<CarriedNode>(identity, places, frontend, log);
    };
    return factory;
}

void remove_stale_nodes(const Places& places, base::LogSink& log) {
    shim::NodePlaces there;
    there.run_dir = places.run_dir;
    there.dev_dir = places.dev_dir;
    for (const std::string& note : shim::remove_stale_nodes(there).notes) {
        log.write(base::LogLevel::Notice, note);
    }
}

}  // namespace drbdd
