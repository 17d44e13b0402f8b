// Parts of `up` and `down` one by one, as resource agents and the original's `up` call them.
// Configuration specification, section 7.3.
#pragma once

#include "cli/drbdadm/context.h"

namespace drbdadm {

// A resource is made with all the volumes of its file, none of them attached.
int new_resource(Context& context, const Target& target);
int new_minor(Context& context, const Target& target);

// Of a resource that has neither a disk nor a connection.
int del_minor(Context& context, const Target& target);
int del_resource(Context& context, const Target& target);

}  // namespace drbdadm
