#include "heartbeat/wire/text_framer.h"

#include "heartbeat/wire/text.h"

#include <utility>

namespace hb::wire {

std::vector<std::string> TextFramer::feed(std::string_view bytes) {
    std::vector<std::string> blocks;
    for (const char c : bytes) {
        if (c == '\0' && line_.empty()) {
            continue;  // a writer may end a block with one
        }
        line_ += c;
        if (c == '\n') {
            add_line(blocks);
        } else if (block_.size() + line_.size() >= kMaxMessageBytes) {
            overlong_ = true;
            discard(line_);
            discard(block_);
        }
    }
    return blocks;
}

void TextFramer::add_line(std::vector<std::string>& blocks) {
    if (std::exchange(overlong_, false)) {
        discard(line_);
        return;
    }
    const bool starts = line_ == kTextHead;
    if (starts) {
        discard(block_);
    } else if (block_.empty()) {
        discard(line_);
        return;
    }
    block_ += line_;
    if (line_ == kTextEnd) {
        blocks.push_back(std::exchange(block_, {}));
    }
    line_.clear();
}

void TextFramer::discard(std::string& bytes) {
    discarded_bytes_ += bytes.size();
    bytes.clear();
}

}  // namespace hb::wire
