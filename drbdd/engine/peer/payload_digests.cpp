#include "drbdd/engine/peer/payload_digests.h"

#include "base/log.h"
#include "base/require.h"

#include <algorithm>

namespace engine {

namespace {

std::string in_hex(base::ConstBytes bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += base::format("%02x", byte);
    }
    return text;
}

}  // namespace

std::unique_ptr<base::Digest> PayloadDigests::make(const std::string& algorithm) {
    if (algorithm.empty()) {
        return nullptr;
    }
    base::Result<std::unique_ptr<base::Digest>> digest = base::Digest::make(algorithm);
    REQUIRE(digest);
    return std::move(*digest);
}

std::vector<std::uint8_t> PayloadDigests::body_of(const proto::Data& data,
                                                  const io::Slice& payload) const {
    const std::size_t digest = sent_ != nullptr ? sent_->size() : 0;
    std::vector<std::uint8_t> body(proto::Data::kSize + digest);
    proto::encode(data, base::Bytes(body).first(proto::Data::kSize));
    if (sent_ != nullptr) {
        sent_->compute(payload.bytes(), base::Bytes(body).subspan(proto::Data::kSize));
    }
    return body;
}

base::Result<proto::Data> PayloadDigests::checked(const Packet& packet) const {
    const std::size_t size = expected_ != nullptr ? expected_->size() : 0;
    if (packet.body.size() != proto::Data::kSize + size) {
        return base::Error{base::ErrorCode::Invalid, "the digest of the payload is missing"};
    }
    const base::ConstBytes body = packet.body;
    const base::Result<proto::Data> data = proto::decode_data(body.first(proto::Data::kSize));
    if (!data || expected_ == nullptr) {
        return data;
    }
    const base::ConstBytes told = body.subspan(proto::Data::kSize);
    std::vector<std::uint8_t> found(size);
    expected_->compute(packet.payload.bytes(), found);
    if (!std::equal(told.begin(), told.end(), found.begin())) {
        return base::Error{
            base::ErrorCode::Invalid,
            base::format("Digest integrity check FAILED: %llus +%zu, %s of what was sent is %s, "
                         "of what has arrived %s",
                         base::ull(data->sector.value),
                         packet.payload.length,
                         expected_->name().c_str(),
                         in_hex(told).c_str(),
                         in_hex(found).c_str())};
    }
    return data;
}

}  // namespace engine
