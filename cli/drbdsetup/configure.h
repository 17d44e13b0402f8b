// The commands that configure a resource step by step, as `drbdadm -d up` prints them: a resource
// without a file. Configuration specification, section 8.
#pragma once

#include "cli/drbdsetup/commands.h"

namespace drbdsetup {

int new_resource(const Arguments& arguments, cli::Client& client);
int new_minor(const Arguments& arguments, cli::Client& client);
int attach(const Arguments& arguments, cli::Client& client);
int connect(const Arguments& arguments, cli::Client& client);
int disk_options(const Arguments& arguments, cli::Client& client);
int net_options(const Arguments& arguments, cli::Client& client);
int resource_options(const Arguments& arguments, cli::Client& client);
int del_minor(const Arguments& arguments, cli::Client& client);
int del_resource(const Arguments& arguments, cli::Client& client);

}  // namespace drbdsetup
