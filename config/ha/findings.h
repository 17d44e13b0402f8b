// What reading a configuration file yields: the settings, and every complaint at once, so that a
// person repairs the file in one go. A text is "FILE:LINE: what is wrong".
#pragma once

#include <string>
#include <vector>

namespace config {

struct HaFindings {
    std::vector<std::string> errors;    // any of them forbids the start
    std::vector<std::string> warnings;  // for the log

    bool ok() const { return errors.empty(); }

    void add(const HaFindings& other) {
        errors.insert(errors.end(), other.errors.begin(), other.errors.end());
        warnings.insert(warnings.end(), other.warnings.begin(), other.warnings.end());
    }
};

template <typename T>
struct HaParsed {
    T value;  // of use only without errors
    HaFindings findings;

    bool ok() const { return findings.ok(); }
};

}  // namespace config
