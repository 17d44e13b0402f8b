// drbdsetup show: what is in force, in the grammar of drbd.conf. Configuration specification, 9.6.
#pragma once

#include "cli/drbdsetup/commands.h"

namespace drbdsetup {

int show(const Arguments& arguments, cli::Client& client);

// With `defaults` also what is as it would be without a word. The secret only for root, who alone
// can ask.
std::string show_text(const config::ResourceSettings& settings, bool stand_alone, bool defaults);

}  // namespace drbdsetup
