// Sending and receiving whole bitmaps, so that both nodes know the union of what differs. Wire
// specification, section 7.
#pragma once

#include "base/result.h"
#include "drbdd/engine/core.h"

#include <cstdint>

namespace engine {

class Device;

class BitmapExchange {
public:
    BitmapExchange(Core& core, Device& device) : core_(core), device_(device) {}

    void start();  // entering WFBitMapS or WFBitMapT

    void stop() { sending_due_ = sent_ = received_ = receiving_ = false; }

    // The whole bitmap goes out at once: nothing may come between its packets.
    void send();

    bool sent() const { return sent_; }

    bool received() const { return received_; }

    base::Result<void> on_plain(base::ConstBytes words);
    base::Result<void> on_compressed(base::ConstBytes body);

    // Application writes are held: the bitmap is about to be sent.
    bool wants_quiet() const { return sending_due_; }

private:
    struct Statistics {
        std::uint64_t plain_bytes = 0;
        std::uint64_t plain_packets = 0;
        std::uint64_t rle_bytes = 0;
        std::uint64_t rle_packets = 0;
    };

    void begin_receiving();
    void finish_receiving();
    void report(const char* direction, const Statistics& statistics) const;
    std::uint64_t send_plain(std::uint64_t word, Statistics& statistics);

    Core& core_;
    Device& device_;
    bool sending_due_ = false;
    bool sent_ = false;
    bool receiving_ = false;
    bool received_ = false;
    std::uint64_t position_ = 0;  // next bit to be received
    Statistics in_;
};

}  // namespace engine
