// Commands that change something or ask the daemon. Each works on one target and returns its exit
// code. Configuration specification, section 7.3.
#pragma once

#include "cli/drbdadm/context.h"

namespace drbdadm {

int up(Context& context, const Target& target);
int down(Context& context, const Target& target);
int adjust(Context& context, const Target& target);
bool is_configured(Context& context, const std::string& resource);  // in the daemon
int attach(Context& context, const Target& target);
int detach(Context& context, const Target& target);
int connect(Context& context, const Target& target);
int disconnect(Context& context, const Target& target);
int primary(Context& context, const Target& target);
int become_primary(Context& context, const Target& target);  // as the section startup says
int secondary(Context& context, const Target& target);
int invalidate(Context& context, const Target& target);
int invalidate_remote(Context& context, const Target& target);
int new_current_uuid(Context& context, const Target& target);
int verify(Context& context, const Target& target);
int pause_sync(Context& context, const Target& target);
int resize(Context& context, const Target& target);
int suspend_io(Context& context, const Target& target);
int resume_io(Context& context, const Target& target);
int resume_sync(Context& context, const Target& target);
int outdate(Context& context, const Target& target);
int peer_suspect(Context& context, const Target& target);
int peer_dead(Context& context, const Target& target);
int create_md(Context& context, const Target& target);
int meta_command(Context& context, const Target& target);  // dump-md, apply-al...

int role(Context& context, const Target& target);
int cstate(Context& context, const Target& target);
int dstate(Context& context, const Target& target);
int generations(Context& context, const Target& target);  // get-gi, show-gi
int status(Context& context, const Target& target);
int sh_status(Context& context);  // of all resources of the file
int wait_connect(Context& context, const Target& target);
int wait_sync(Context& context, const Target& target);

}  // namespace drbdadm
