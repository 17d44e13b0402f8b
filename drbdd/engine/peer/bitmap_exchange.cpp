#include "drbdd/engine/peer/bitmap_exchange.h"

#include "drbdd/engine/peer/connection.h"
#include "drbdd/engine/volume/device.h"
#include "proto/bitmap_code.h"

#include <algorithm>

namespace engine {

namespace {

constexpr std::uint64_t kWordsPerPacket = proto::kMaxBitmapPacketBytes / 8;

}  // namespace

void BitmapExchange::start() {
    stop();
    sending_due_ = true;
    position_ = 0;
}

void BitmapExchange::send() {
    const Bitmap& bitmap = device_.bitmap;
    const bool rle = core_.settings.net.use_rle;
    const proto::BitSource source{[&bitmap](std::uint64_t bit) { return bitmap.test(bit); },
                                  [&bitmap](std::uint64_t from, std::uint64_t end, bool value) {
                                      return bitmap.run_end(from, end, value);
                                  }};
    Statistics statistics;
    std::uint64_t bit = 0;
    bool ended_plain = bitmap.bits() == 0;
    while (bit < bitmap.bits()) {
        std::vector<std::uint8_t> body;
        if (rle) {
            body = proto::encode_bitmap_runs(source, bitmap.bits(), bit);
        }
        if (!body.empty()) {
            device_.peer_connection().send_data(
                proto::Command::CompressedBitmap, device_.number(), body);
            statistics.rle_bytes += body.size() + proto::kHeader100Size;
            ++statistics.rle_packets;
            ended_plain = false;
        } else {
            bit = std::min(bitmap.bits(), send_plain(bit / 64, statistics) * 64);
            ended_plain = true;
        }
    }
    if (ended_plain) {
        device_.peer_connection().send_data(proto::Command::Bitmap, device_.number(), {});
        statistics.plain_bytes += proto::kHeader100Size;
        ++statistics.plain_packets;
    }
    sending_due_ = false;
    sent_ = true;
    report("send", statistics);
}

// One packet of plain words; returns the word after it.
std::uint64_t BitmapExchange::send_plain(std::uint64_t word, Statistics& statistics) {
    const std::uint64_t count = std::min(kWordsPerPacket, device_.bitmap.words() - word);
    std::vector<std::uint8_t> body(count * 8);
    for (std::uint64_t i = 0; i < count; ++i) {
        base::put_le64(body, i * 8, device_.bitmap.word(word + i));
    }
    device_.peer_connection().send_data(proto::Command::Bitmap, device_.number(), body);
    statistics.plain_bytes += body.size() + proto::kHeader100Size;
    ++statistics.plain_packets;
    return word + count;
}

void BitmapExchange::begin_receiving() {
    if (!receiving_) {
        receiving_ = true;
        position_ = 0;
        in_ = {};
    }
}

base::Result<void> BitmapExchange::on_plain(base::ConstBytes words) {
    begin_receiving();
    Bitmap& bitmap = device_.bitmap;
    in_.plain_bytes += words.size() + proto::kHeader100Size;
    ++in_.plain_packets;
    const std::uint64_t first = position_ / 64;
    const std::uint64_t expected =
        position_ >= bitmap.bits() ? 0 : std::min(kWordsPerPacket, bitmap.words() - first);
    if (words.size() != expected * 8) {
        return base::Error{base::ErrorCode::Invalid,
                           base::format("a bitmap packet has %zu bytes where %llu are due",
                                        words.size(),
                                        static_cast<unsigned long long>(expected * 8))};
    }
    if (expected == 0) {
        finish_receiving();
        return {};
    }
    for (std::uint64_t i = 0; i < expected; ++i) {
        bitmap.or_word(first + i, base::get_le64(words, i * 8));
    }
    position_ = std::min(bitmap.bits(), (first + expected) * 64);
    return {};
}

base::Result<void> BitmapExchange::on_compressed(base::ConstBytes body) {
    begin_receiving();
    Bitmap& bitmap = device_.bitmap;
    in_.rle_bytes += body.size() + proto::kHeader100Size;
    ++in_.rle_packets;
    base::Result<std::uint64_t> end = proto::decode_bitmap_runs(
        body, position_, bitmap.bits(), [&bitmap](std::uint64_t first, std::uint64_t count) {
            bitmap.set_bits(first, count);
        });
    if (!end) {
        return end.error();
    }
    position_ = *end;
    if (position_ == bitmap.bits()) {
        finish_receiving();
    }
    return {};
}

void BitmapExchange::finish_receiving() {
    receiving_ = false;
    received_ = true;
    core_.progress = true;
    report("receive", in_);
}

void BitmapExchange::report(const char* direction, const Statistics& s) const {
    const std::uint64_t plain_cost =
        device_.bitmap.words() * 8 +
        (device_.bitmap.words() + kWordsPerPacket - 1) / kWordsPerPacket * proto::kHeader100Size +
        proto::kHeader100Size;
    const std::uint64_t total = s.plain_bytes + s.rle_bytes;
    const double saved =
        100.0 - 100.0 * static_cast<double>(total) / static_cast<double>(plain_cost);
    device_.log_line(
        base::LogLevel::Info,
        base::format("%s bitmap stats [Bytes(packets)]: plain %llu(%llu), RLE %llu(%llu), total "
                     "%llu; compression: %.1f%%",
                     direction,
                     static_cast<unsigned long long>(s.plain_bytes),
                     static_cast<unsigned long long>(s.plain_packets),
                     static_cast<unsigned long long>(s.rle_bytes),
                     static_cast<unsigned long long>(s.rle_packets),
                     static_cast<unsigned long long>(total),
                     saved > 0 ? saved : 0.0));
}

}  // namespace engine
