// A daemon that leaves its parent: who started it waits until it has said how the start went.
#pragma once

#include "base/result.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <string>

namespace hb {

class Detached {
public:
    // With `detach` it returns in the child only, in a session of its own; the parent exits with
    // what the child reports, or with 1 if it died without a word. Without, nothing is left.
    static base::Result<Detached> start(bool detach);

    // `text` empty: all is well. Else it is printed, and failed() is true.
    void report(const std::string& text);

    bool failed() const { return failed_; }

private:
    FileDescriptor pipe_;  // to the parent; closed: nobody waits
    bool detached_ = false;
    bool failed_ = false;
};

}  // namespace hb
