// Where a child writes that may outlive this daemon: a piece of memory instead of a pipe. A pipe
// whose reader has gone ends its writer (SIGPIPE), and a device that is ended between "off" and
// "on" leaves a node off. What is written beyond the limit is refused to the child, without a
// signal.
#pragma once

#include "base/log.h"

#include <cstddef>
#include <string>

namespace hb {

class KeptOutput {
public:
    static constexpr std::size_t kRoom = 1024 * 1024;

    KeptOutput() = default;
    ~KeptOutput();
    KeptOutput(const KeptOutput&) = delete;
    KeptOutput& operator=(const KeptOutput&) = delete;

    bool open();

    // For the child; it stays ours.
    int descriptor() const { return file_; }

    // What has been written, its first `limit` bytes.
    std::string text(std::size_t limit) const;

private:
    int file_ = -1;
};

// Its lines, each as a debug line that begins with the label.
void log_lines(const std::string& label, const std::string& text, base::LogSink& log);

}  // namespace hb
