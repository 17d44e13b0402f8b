// Which of several ways is taken. Pure, but for what the ways do themselves.
#pragma once

#include "base/result.h"

#include <functional>
#include <string>
#include <vector>

namespace shim {

struct Way {
    std::string name;
    std::function<base::Result<void>()> offered;  // what is missing on this machine, if anything
    std::function<base::Result<void>()> take;     // leaves nothing behind when it fails
};

struct Choice {
    std::string name;            // empty: none of them
    std::string why_not_better;  // of the ways that come before it, "nbd: the reason"
    bool kept = false;           // it was taken before: nothing was chosen now
};

enum class WithoutDevice { Refused, Accepted };

// The first way that works. None of them is a choice only where it is accepted, and only if the
// machine offers none at all: where one is offered and fails, whoever wants the device has to hear
// of it.
base::Result<Choice> choose(const std::vector<Way>& best_first, WithoutDevice none);

}  // namespace shim
