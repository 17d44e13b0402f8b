// Running another program and waiting for it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace cli {

struct ChildResult {
    enum class End { Exited, NotStarted, TimedOut };
    End end = End::Exited;
    int exit = 0;   // Exited: its code, or 128 + the signal that ended it
    int error = 0;  // NotStarted: errno
};

struct ChildOptions {
    bool quiet = false;  // standard input, output and error are /dev/null
    // A program that is not done by then is killed; unset: it may ask the user something.
    std::optional<std::chrono::milliseconds> limit;
};

// `argv[0]` is a path, or a name that is looked up along PATH.
ChildResult run_child(const std::vector<std::string>& argv, const ChildOptions& options);

// Words as a shell would need them: "--shared-secret=with\ space".
std::string shell_quoted(const std::string& word);

}  // namespace cli
