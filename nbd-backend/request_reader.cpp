#include "nbd-backend/request_reader.h"

#include <algorithm>
#include <cstring>

namespace nbd {

// While payload is outstanding the header that follows it is received in the same call: a stream of
// large WRITEs costs one system call each and no copy.
std::span<iovec> RequestReader::space() {
    std::memmove(staging_.data(), staging_.data() + begin_, staged());
    end_ -= begin_;
    begin_ = 0;
    switch (stage_) {
        case Stage::Header:
            space_[0] = {staging_.data() + end_, room() - end_};
            return std::span(space_).first(1);
        case Stage::Payload:
            REQUIRE(staged() == 0);
            space_[0] = {current_.payload.bytes().data() + payload_done_,
                         payload_length_ - payload_done_};
            space_[1] = {staging_.data(), room()};
            return space_;
        case Stage::Drain:
            REQUIRE(staged() == 0);
            space_[0] = {staging_.data(), kStagingBytes};
            return std::span(space_).first(1);
    }
    REQUIRE(false);
}

void RequestReader::received(std::size_t bytes) {
    if (stage_ == Stage::Payload) {
        const std::size_t direct = std::min(bytes, payload_length_ - payload_done_);
        payload_done_ += direct;
        bytes -= direct;
    }
    end_ += bytes;
    REQUIRE(end_ <= kStagingBytes);
}

void RequestReader::preload(base::ConstBytes bytes) {
    REQUIRE(staged() == 0 && bytes.size() <= kStagingBytes);
    std::copy(bytes.begin(), bytes.end(), staging_.begin());
    begin_ = 0;
    end_ = bytes.size();
}

RequestReader::Step RequestReader::next(Incoming& out) {
    if (stage_ == Stage::Header) {
        if (staged() < request_bytes(session_)) {
            return Step::NeedsBytes;
        }
        if (const Step step = on_header(); step != Step::Request) {
            return step;
        }
    }
    if (stage_ != Stage::Header) {
        take_staged_payload();
        if (payload_done_ < payload_length_) {
            return Step::NeedsBytes;
        }
        stage_ = Stage::Header;
    }
    out = std::move(current_);
    return Step::Request;
}

RequestReader::Step RequestReader::on_header() {
    const base::ConstBytes header(staging_.data() + begin_, request_bytes(session_));
    const auto request = decode_request(header, session_);
    if (!request) {
        return Step::BadMagic;
    }
    begin_ += header.size();
    current_ = {*request, check_request(*request, session_), {}};
    if (current_.refusal && look_again_) {
        look_again_();
        current_.refusal = check_request(*request, session_);
    }
    const std::uint64_t payload = payload_bytes(*request, session_);
    bulk_ = payload > kMostCopied;
    if (payload == 0) {
        return Step::Request;
    }
    if (payload > kDrainLimit) {
        return Step::TooLong;
    }
    payload_length_ = payload;
    payload_done_ = 0;
    if (current_.refusal) {
        stage_ = Stage::Drain;
    } else {
        REQUIRE(request->command() == Command::Write);  // nothing else may carry data
        stage_ = Stage::Payload;
        current_.payload = pool_.allocate_slice(payload_length_);
    }
    return Step::Request;
}

void RequestReader::take_staged_payload() {
    const std::size_t count = std::min(staged(), payload_length_ - payload_done_);
    if (stage_ == Stage::Payload && count > 0) {
        std::memcpy(
            current_.payload.bytes().data() + payload_done_, staging_.data() + begin_, count);
    }
    payload_done_ += count;
    begin_ += count;
}

}  // namespace nbd
