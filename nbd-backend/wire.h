// The bytes of one connection: as they are, or, from start_tls() on, within TLS. Never blocks.
// Block front ends specification, section 1.6.
#pragma once

#include "nbd-backend/tls_context.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <sys/uio.h>
#include <vector>

namespace nbd {

class Wire {
public:
    enum class Status {
        Done,
        NotNow,  // wait for the socket; for room in it if wants_room(), else for bytes
        Ended,   // the other side sends no more, and has said so
        Broken,
    };

    struct Moved {
        Status status = Status::Done;
        std::size_t bytes = 0;  // at least one if Done, else none
    };

    // `socket`: a connected non-blocking stream socket that outlives the wire.
    explicit Wire(int socket) : socket_(socket) {}

    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    Moved receive(std::span<iovec> space);

    // After NotNow the next call begins with the same bytes.
    Moved send(std::span<const iovec> pieces);

    // Bytes have arrived that receive() has not given away: the socket does not tell of them.
    bool holds_bytes() const;

    // What comes next is the client's side of TLS. False if memory is short.
    bool start_tls(const TlsContext& context);
    Status shake_hands();

    bool wants_room() const { return wants_room_; }

    // Who the client has proved to be, in words; after shake_hands() was Done.
    std::string client() const;

    // Why TLS is broken, in words.
    const std::string& problem() const { return problem_; }

    // Tells the other side that this was all, if it takes that now.
    void end_tls();

private:
    struct Free {
        void operator()(ssl_st* tls) const;
    };

    Moved receive_tls(std::span<iovec> space);
    Moved send_tls(std::span<const iovec> pieces);
    Status status_of(int result);
    void stage(std::span<const iovec> pieces);

    int socket_;
    std::unique_ptr<ssl_st, Free> tls_;
    std::vector<unsigned char> staged_;  // given to TLS and not yet taken by it
    bool wants_room_ = false;
    std::string problem_;
};

}  // namespace nbd
