// Parts of `up` and `down` one by one, as resource agents and the original's `up` call them.
// Configuration specification, section 7.3.
#pragma once

#include "cli/drbdadm/context.h"
#include "config/settings.h"

#include <string>

namespace drbdadm {

// A resource is made with all the volumes of its file, none of them attached.
int new_resource(Context& context, const Target& target);
int new_minor(Context& context, const Target& target);

// The running resource gets these volumes, and loses the others: each without a disk.
int make_volumes(Context& context,
                 config::ResourceSettings settings,
                 const std::string& object,
                 const std::string& words);

// Of a volume without a disk.
int del_minor(Context& context, const Target& target);
// Of a resource without volumes and connection.
int del_resource(Context& context, const Target& target);

}  // namespace drbdadm
