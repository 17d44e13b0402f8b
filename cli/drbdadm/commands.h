// What drbdadm can do: a table from names to functions.
#pragma once

#include "cli/drbdadm/context.h"

#include <string>
#include <string_view>
#include <vector>

namespace drbdadm {

// Runs the command of context.line on its operands and returns the exit code of the process: the
// largest of all.
int run_command(Context& context);

// Names of the commands, for the help text and the completion.
std::vector<std::string_view> command_names();

// The options that a command has of its own, without dashes.
std::vector<std::string> options_of(std::string_view command);

bool is_command(std::string_view name);

// Without operands it is about the whole file, or about every resource.
bool needs_no_operand(std::string_view name);

}  // namespace drbdadm
