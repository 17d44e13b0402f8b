// The digests that go with the payload of a connection where data-integrity-alg is set. Each
// direction has the algorithm that the last P_PROTOCOL or P_PROTOCOL_UPDATE in it named. Wire
// specification, sections 3.3 and 6.13.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "drbdd/engine/events.h"
#include "proto/packets.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace engine {

class PayloadDigests {
public:
    static bool known(const std::string& algorithm) {
        return algorithm.empty() || base::Digest::known(algorithm);
    }

    // From this place of the stream on. An empty name: without digests. The algorithm is known.
    void send_with(const std::string& algorithm) { sent_ = make(algorithm); }

    void expect(const std::string& algorithm) { expected_ = make(algorithm); }

    bool any_sent() const { return sent_ != nullptr; }

    std::string sent() const { return sent_ != nullptr ? sent_->name() : ""; }

    // Everything of the packet that comes before its payload.
    std::vector<std::uint8_t> body_of(const proto::Data& data, const io::Slice& payload) const;

    // Of a packet with payload: its fixed part, once what follows is what the peer has sent.
    base::Result<proto::Data> checked(const Packet& packet) const;

private:
    static std::unique_ptr<base::Digest> make(const std::string& algorithm);

    std::unique_ptr<base::Digest> sent_;
    std::unique_ptr<base::Digest> expected_;
};

}  // namespace engine
