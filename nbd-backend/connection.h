// One client: the socket around Handshake, RequestReader and ReplyQueue. Everything happens on the
// thread of its io_context, which is the resource's. Block front ends specification, sections 1.1,
// 1.6 and 1.7.
//
// A request counts against the limits from its header until its reply is with the kernel; at the
// limit the socket is not read, so that a client which never reads its replies stalls only itself.
#pragma once

#include "base/log.h"
#include "drbdd/io/block_device.h"
#include "nbd-backend/handshake.h"
#include "nbd-backend/reply.h"
#include "nbd-backend/request_reader.h"
#include "nbd-backend/tls_context.h"
#include "nbd-backend/wire.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace nbd {

struct ConnectionOptions {
    bool read_only = false;
    std::size_t requests_in_flight = 128;
    std::size_t bytes_in_flight = std::size_t{16} << 20;  // exceeded by at most one request
    std::chrono::milliseconds handshake_deadline{10'000};
    std::shared_ptr<const TlsContext> tls;  // not null: the client has to use it
};

class Connection;

struct ConnectionHooks {
    // Asked before the client becomes a user of the volume; the refusal is for its user.
    std::function<base::Result<void>()> admit;
    // Called once, when the socket is closed and the device has completed everything.
    std::function<void(Connection&)> finished;
};

// Kept alive by its server, by its pending waits and, as long as the device owes a completion, by
// itself: io_context, device and log must outlive that.
class Connection : public std::enable_shared_from_this<Connection>, private ExportHost {
public:
    // Owns `socket`, a connected non-blocking stream socket. `who` names the client in log lines
    // and in the message of a refused demotion.
    Connection(boost::asio::io_context& io,
               boost::asio::posix::stream_descriptor socket,
               std::string who,
               io::BlockDevice& device,
               const ConnectionOptions& options,
               base::LogSink& log,
               ConnectionHooks hooks);
    ~Connection() override = default;

    void start();

    // New requests get ESHUTDOWN; closes when the outstanding ones are answered.
    void stop();

    // Closes the socket now; what the device still executes completes into nothing.
    void abort();

    // As abort(), and the hooks are not called any more: their owner is going away.
    void abandon();

    // It has not chosen the export yet.
    bool negotiating() const { return handshake_.has_value(); }

private:
    struct Pending {
        Request request;
        std::size_t bytes_charged = 0;
    };

    struct Discharged {
        Pending pending;
        bool wanted = false;  // its client is still there
        std::shared_ptr<Connection>
            last;  // what has kept this connection alive, to the caller's end
    };
    enum class Received { Some, All, Nothing };

    // ExportHost
    Export describe() override;
    base::Result<void> probe() override;
    base::Result<void> open() override;
    base::Result<void> admit() const;

    void wait_readable();
    void on_readable();
    void wait_writable();
    Received receive(std::span<iovec> space, std::size_t& bytes);
    void negotiate();
    void start_tls();
    void shake_hands();
    void begin_transmission(base::ConstBytes first_bytes);
    void pump();
    void take_requests();
    void dispatch(Incoming& incoming);
    void answer(Reply reply);
    Reply status_of(const Request& request, const Extents& allocation);
    Extents out_of_sync(const Request& request) const;
    void ask_allocation(const Request& request);
    void on_mapped(std::uint32_t slot, const std::vector<io::AllocationRun>& runs);
    std::uint32_t charge(const Pending& pending);
    Discharged discharge(std::uint32_t slot);
    void submit(Incoming& incoming);
    void on_done(std::uint32_t slot, int error, const io::Slice& data);
    Reply reply_to(const Request& request, int error, const io::Slice& data) const;
    std::uint32_t take_slot(const Pending& pending);
    void send_bytes(std::vector<std::uint8_t>& bytes);
    void schedule_flush();
    void flush();
    bool send_queued();
    void resume();
    bool below_limits() const;
    void close_if_idle();
    void close_socket();
    void finish();
    void log(base::LogLevel level, const std::string& what) const;

    boost::asio::io_context& io_;
    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer deadline_;
    const std::string who_;
    io::BlockDevice& device_;
    const ConnectionOptions options_;
    base::LogSink& log_;
    ConnectionHooks hooks_;

    Wire wire_;
    std::optional<Handshake> handshake_;  // until the transmission phase
    Session session_;
    RequestReader reader_;
    ReplyQueue replies_;

    std::vector<Pending> slots_;  // requests in the device
    std::vector<std::uint32_t> free_slots_;
    std::size_t in_device_ = 0;
    std::shared_ptr<Connection> self_;  // while in_device_ > 0
    std::size_t requests_in_flight_ = 0;
    std::size_t bytes_in_flight_ = 0;

    bool opened_ = false;    // counted by the device as a user
    bool reading_ = false;   // a wait for readability is pending
    bool writing_ = false;   // a wait for writability is pending
    bool securing_ = false;  // TLS shakes hands
    bool flush_scheduled_ = false;
    bool paused_ = false;         // not reading until replies are sent
    bool reading_ended_ = false;  // DISC, half-close or a protocol error
    bool stopping_ = false;
    bool finished_called_ = false;
};

}  // namespace nbd
