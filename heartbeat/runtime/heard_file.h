// STATEDIR/hb_heard: the generation of the partner, and the number of its last message. A recording
// of what it said before our restart is worth nothing then, whoever plays it. Written beside the
// loop: a disk that hangs must not keep the heartbeat waiting.
#pragma once

#include "base/log.h"
#include "heartbeat/engine/settings.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hb {

std::string heard_text(const Heard& heard);
std::optional<Heard> parse_heard(std::string_view text);

// The later of the two; none without a name counts.
Heard later_of(const Heard& a, const Heard& b);

class HeardFile {
public:
    static constexpr std::chrono::seconds kEvery{60};

    explicit HeardFile(std::string state_dir);

    static Heard load(const std::string& state_dir);

    // Writes a new generation at once, and numbers every minute.
    void note(const Heard& heard, std::chrono::milliseconds now);
    // The end: waits for the disk.
    void close();

private:
    const std::string path_;
    Heard latest_;
    Heard written_;
    std::chrono::milliseconds written_at_{};
    std::shared_ptr<std::atomic<bool>> writing_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace hb
