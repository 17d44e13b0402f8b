// Commands that print what the configuration says. Configuration specification, section 7.4.
#pragma once

#include "cli/drbdadm/context.h"

namespace drbdadm {

int dump(Context& context);
int dump_xml(Context& context);
int sh_resources(Context& context);
int sh_mod_parms(Context& context);

int sh_resource(Context& context, const Target& target);
int sh_dev(Context& context, const Target& target);
int sh_minor(Context& context, const Target& target);
int sh_ll_dev(Context& context, const Target& target);
int sh_md_dev(Context& context, const Target& target);
int sh_md_idx(Context& context, const Target& target);
int sh_ip(Context& context, const Target& target);
int sh_lr_of(Context& context, const Target& target);  // the resource below
int sh_udev(Context& context, const Target& target);

}  // namespace drbdadm
