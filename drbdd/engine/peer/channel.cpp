#include "drbdd/engine/peer/channel.h"

#include <algorithm>

namespace engine {

void Channel::open(SocketId socket, std::uint64_t already_sent) {
    socket_ = socket;
    queued_ = written_ = already_sent;
    progress_at_ = core_.now;
}

void Channel::close(bool after_sending) {
    if (socket_) {
        core_.emit(CloseSocket{*socket_, after_sending});
    }
    on_closed();
    queued_ = written_ = 0;
    answers_ = pongs_ = {};
    paused_ = false;
}

void Channel::on_closed() {
    socket_.reset();
}

void Channel::send(proto::Command command,
                   VolumeNumber volume,
                   base::ConstBytes body,
                   io::Slice payload) {
    if (!socket_) {
        return;
    }
    std::vector<std::uint8_t> head(proto::kHeader100Size + body.size());
    proto::encode(proto::Header{proto::HeaderKind::H100,
                                static_cast<std::uint16_t>(command),
                                volume.value,
                                static_cast<std::uint32_t>(body.size() + payload.length)},
                  base::Bytes(head).first(proto::kHeader100Size));
    std::copy(body.begin(), body.end(), head.begin() + proto::kHeader100Size);
    if (backlog() == 0) {
        progress_at_ = core_.now;
    }
    queued_ += head.size() + payload.length;
    if (kind_ == Kind::Meta || budget::is_answer(command)) {
        answers_.add(queued_, head.size() + payload.length);
    }
    if (command == proto::Command::PingAck) {
        pongs_.add(queued_, head.size());
    }
    core_.emit(Send{*socket_, std::move(head), std::move(payload)});
}

void Channel::send_raw(std::vector<std::uint8_t> packet) {
    REQUIRE(socket_.has_value());
    queued_ += packet.size();
    core_.emit(Send{*socket_, std::move(packet), {}});
}

bool Channel::on_written(std::uint64_t total) {
    if (total <= written_) {
        return false;
    }
    written_ = std::min(total, queued_);
    answers_.on_written(written_, core_.work);
    pongs_.on_written(written_, core_.work);
    progress_at_ = core_.now;
    return true;
}

void Channel::pause_reading(bool pause) {
    if (socket_ && pause != paused_) {
        paused_ = pause;
        core_.emit(PauseReading{*socket_, pause});
    }
}

}  // namespace engine
