// Where this node's daemon and programs are.
#pragma once

#include <string>

namespace cli {

inline constexpr const char* kDefaultRunDirectory = "/run/drbdd";

std::string host_name();  // uname -n

// `option` if given, else the environment's __DRBD_NODE__ (with a notice on standard error, as the
// original prints), else `uname -n`.
std::string node_name(const std::string& option);

// `option` if given, else the environment's DRBDD_RUN_DIR, else /run/drbdd.
std::string run_directory(const std::string& option);

// A program of ours: beside our own executable, else `name` for a search along PATH.
std::string find_program(const std::string& name);

}  // namespace cli
