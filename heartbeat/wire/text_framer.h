// Finds the blocks of the text form in a stream of bytes: a serial line, or the FIFO, where a
// program may write anything. Heartbeat specification, sections 2.3 and 2.8.
#pragma once

#include "heartbeat/wire/message.h"

namespace hb::wire {

class TextFramer {
public:
    // The blocks that these bytes complete, ">>>" to "<<<" inclusive, for decode or decode_local.
    // What lies between blocks is thrown away, and so is a block in which another one starts: the
    // end of the first was lost. Never holds more than kMaxMessageBytes.
    std::vector<std::string> feed(std::string_view bytes);

    std::uint64_t discarded_bytes() const { return discarded_bytes_; }

private:
    void add_line(std::vector<std::string>& blocks);
    void discard(std::string& bytes);

    std::string line_;
    std::string block_;      // complete lines since ">>>"; empty outside of a block
    bool overlong_ = false;  // the current line is thrown away up to its end
    std::uint64_t discarded_bytes_ = 0;
};

}  // namespace hb::wire
