// Serves a volume in memory with the real NBD server, for tests with real clients:
//   nbd_memory_export SOCKET MIB [handshake-ms=N] [stop-ms=N] [connections=N] [handshakes=N]
//   [carrier=FILE] [secondary] [read-only] [fast-zeroes] [block=N] [marked=BLOCK]...
//   [tcp=ADDRESS (plaintext | [tls-certificates=DIR] [tls-psk=FILE])]
// marked: there is a bitmap, and it marks this block of 4 KiB.
// carrier: the process whose pid stands in FILE counts as the carrier of the device node.
// SIGUSR1 freezes the device, SIGUSR2 thaws it, SIGTERM stops the server; each is confirmed with a
// line. At the end it prints what is still in use, and fails if that is anything.
#include "nbd-backend/server.h"
#include "tests/unit/nbd/memory_device.h"

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

namespace {

class StderrLog : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
    }
};

bool stands_in(const std::string& path, pid_t pid) {
    std::ifstream file(path);
    pid_t there = 0;
    return file >> there && there == pid;
}

// Listens on TCP if that is asked for; never without TLS by mistake.
struct Network {
    std::string address;
    nbd::TlsFiles tls;
    bool plaintext = false;

    bool apply(std::string_view name, const std::string& value) {
        if (name == "tcp") {
            address = value;
        } else if (name == "tls-certificates") {
            tls.certificates = value;
        } else if (name == "tls-psk") {
            tls.keys = value;
        } else if (name == "plaintext") {
            plaintext = true;
        } else {
            return false;
        }
        return true;
    }

    base::Result<void> open(nbd::ServerOptions& options) const {
        if (address.empty()) {
            return {};
        }
        options.network.emplace();
        options.network->where = {boost::asio::ip::make_address(address), 10809};
        if (!plaintext) {
            auto loaded = nbd::TlsContext::load(tls);
            if (!loaded) {
                return loaded.error();
            }
            options.network->tls = *loaded;
        }
        return {};
    }
};

bool apply(std::string_view word,
           test::MemoryDevice& device,
           nbd::ServerOptions& options,
           Network& network) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (network.apply(name, std::string(equals == word.npos ? "" : word.substr(equals + 1)))) {
        return true;
    }
    const unsigned value =
        equals == word.npos
            ? 0
            : static_cast<unsigned>(std::strtoul(word.data() + equals + 1, nullptr, 10));
    if (name == "handshake-ms") {
        options.connection.handshake_deadline = std::chrono::milliseconds(value);
    } else if (name == "stop-ms") {
        options.stop_deadline = std::chrono::milliseconds(value);
    } else if (name == "connections") {
        options.connections = value;
    } else if (name == "handshakes") {
        options.handshakes = value;
    } else if (name == "carrier") {
        options.is_carrier = [path = std::string(word.substr(equals + 1))](pid_t pid) {
            return stands_in(path, pid);
        };
    } else if (name == "block") {
        device.info_.block_bytes = value;
    } else if (name == "marked") {
        device.info_.has_bitmap = true;
        device.marked_.insert(value);
    } else if (name == "hole") {
        if (!device.holes_) {
            device.holes_.emplace();
        }
        device.holes_->insert(value);
    } else if (name == "secondary") {
        device.refusal_ = "resource r0 is Secondary: promote it first (drbdadm primary r0)";
    } else if (name == "read-only") {
        options.connection.read_only = true;
    } else if (name == "fast-zeroes") {
        device.info_.fast_zeroes = true;
    } else {
        return false;
    }
    return true;
}

void say(const char* word) {
    std::puts(word);
    std::fflush(stdout);
}

void wait_signals(boost::asio::signal_set& signals,
                  test::MemoryDevice& device,
                  nbd::NbdServer& server) {
    signals.async_wait([&](const boost::system::error_code& error, int signal) {
        if (error) {
            return;
        }
        if (signal == SIGTERM) {
            server.stop([&] { signals.cancel(); });
            say("stopping");
        } else if (signal == SIGUSR1) {
            device.frozen_ = true;
            say("frozen");
        } else {
            device.thaw();
            say("thawed");
        }
        wait_signals(signals, device, server);
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s SOCKET MIB [OPTION...]\n", argv[0]);
        return 2;
    }
    boost::asio::io_context io(1);
    StderrLog log;
    test::MemoryDevice device(
        std::strtoull(argv[2], nullptr, 10) << 20,
        [&io](std::function<void()> work) { boost::asio::post(io, std::move(work)); });
    nbd::ServerOptions options;
    options.socket_path = argv[1];
    Network network;
    for (int i = 3; i < argc; ++i) {
        if (!apply(argv[i], device, options, network)) {
            std::fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (const auto opened = network.open(options); !opened) {
        std::fprintf(stderr, "%s\n", opened.error().text.c_str());
        return 1;
    }
    nbd::NbdServer server(io, device, options, log);
    boost::asio::signal_set signals(io, SIGTERM, SIGUSR1, SIGUSR2);
    wait_signals(signals, device, server);
    if (const auto started = server.start(); !started) {
        std::fprintf(stderr, "%s\n", started.error().text.c_str());
        return 1;
    }
    say("ready");
    io.run();
    const bool clean = device.users() == 0 && device.memory().outstanding() == 0;
    std::printf("users=%d buffers=%zu\n", device.users(), device.memory().outstanding());
    return clean ? 0 : 1;
}
