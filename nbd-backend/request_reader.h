// Cuts the byte stream of the transmission phase into requests. No socket: the caller receives into
// space() and tells how much. The payload of a WRITE arrives in its own aligned buffer, where it
// stays until disk and peer have it. Small ones are copied there from a receive of many requests at
// once, because a system call costs more than the copy.
#pragma once

#include "drbdd/io/buffer.h"
#include "nbd-backend/request.h"

#include <array>
#include <cstdint>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace nbd {

struct Incoming {
    Request request;
    Refusal refusal;    // to be answered instead of executing
    io::Slice payload;  // of a WRITE that is not refused
};

class RequestReader {
public:
    // A longer payload is answered by hanging up; up to here it is read and dropped.
    static constexpr std::uint64_t kDrainLimit = 2 * kMaxPayloadBytes;
    static constexpr std::size_t kStagingBytes = std::size_t{64} << 10;
    // After a WRITE of more bytes only the header of the next request is received ahead.
    static constexpr std::size_t kMostCopied = std::size_t{16} << 10;

    enum class Step {
        NeedsBytes,
        Request,
        BadMagic,  // the framing is lost, the connection must end
        TooLong,   // likewise, on purpose
    };

    // Both outlive the reader. The session may still change until the first byte is received.
    // `look_again` brings the session up to date before a request is refused: the volume may have
    // grown under a client that knows it, such as the kernel's nbd driver.
    RequestReader(const Session& session,
                  io::BufferPool& pool,
                  std::function<void()> look_again = {})
        : session_(session),
          pool_(pool),
          look_again_(std::move(look_again)),
          staging_(kStagingBytes) {}

    // Where the next bytes of the stream belong; at least one byte, at most two pieces. Valid until
    // the next call of received() or next(); only after next() said NeedsBytes.
    std::span<iovec> space();
    void received(std::size_t bytes);

    // Bytes that came together with the end of the handshake; at most kStagingBytes.
    void preload(base::ConstBytes bytes);

    // The next complete request, if there is one. Allocates the buffer of a WRITE as soon as its
    // header is seen, so the caller stops calling this when it has enough in flight.
    Step next(Incoming& out);

private:
    enum class Stage { Header, Payload, Drain };

    Step on_header();
    void take_staged_payload();

    std::size_t staged() const { return end_ - begin_; }

    // What may be staged at a time.
    std::size_t room() const { return bulk_ ? request_bytes(session_) : kStagingBytes; }

    const Session& session_;
    io::BufferPool& pool_;
    std::function<void()> look_again_;
    Stage stage_ = Stage::Header;
    Incoming current_;
    std::size_t payload_length_ = 0;  // of current_, in Payload and Drain
    std::size_t payload_done_ = 0;
    bool bulk_ = false;  // the stream looks like large WRITEs: receive no more than their header
    std::size_t begin_ = 0;  // what staging_ holds and next() has not used yet
    std::size_t end_ = 0;
    std::vector<std::uint8_t> staging_;
    std::array<iovec, 2> space_{};
};

}  // namespace nbd
