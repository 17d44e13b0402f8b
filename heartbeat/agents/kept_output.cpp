#include "heartbeat/agents/kept_output.h"

#include "heartbeat/agents/printable.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace hb {

KeptOutput::~KeptOutput() {
    if (file_ >= 0) {
        ::close(file_);
    }
}

bool KeptOutput::open() {
    file_ = ::memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return file_ >= 0 && ::ftruncate(file_, static_cast<off_t>(kRoom)) == 0 &&
           ::fcntl(file_, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) == 0;
}

// The child's descriptor is a copy of ours: the place where it writes next is common to both.
std::string KeptOutput::text(std::size_t limit) const {
    const off_t written = file_ < 0 ? 0 : ::lseek(file_, 0, SEEK_CUR);
    std::string text(std::min(limit, static_cast<std::size_t>(std::max<off_t>(written, 0))), '\0');
    const ssize_t got = text.empty() ? 0 : ::pread(file_, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

void log_lines(const std::string& label, const std::string& text, base::LogSink& log) {
    constexpr unsigned kLines = 100;
    std::size_t begin = 0;
    for (unsigned line = 0; line < kLines && begin < text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        log.write(base::LogLevel::Debug,
                  label + ": " + first_printable_line(text.substr(begin, end - begin)));
        begin = end + 1;
    }
}

}  // namespace hb
