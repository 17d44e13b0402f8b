// The calls of drbdsetup and drbdmeta that the original's drbdadm would make, in words for a shell:
// what -d and -v print, and what a refusal names. Configuration specification, section 7.3.
#pragma once

#include "cli/drbdadm/context.h"

#include <string>

namespace drbdadm {

// Where the metadata of a volume are: their device, and "internal", "flex-external" or the number
// of a slot.
std::string meta_device(const config::VolumeConf& volume);
std::string meta_index(const config::VolumeConf& volume);

std::string minor_of(const config::VolumeConf& volume);

// "drbdmeta 0 v08 /dev/x internal apply-al"
std::string drbdmeta_words(const config::VolumeConf& volume, const std::string& command);

// Without options: they may contain the secret.
std::string new_resource_words(const Target& target);
std::string new_minor_words(const Target& target, const config::VolumeConf& volume);
std::string attach_words(const config::VolumeConf& volume);
std::string connect_words(const Target& target);
std::string disconnect_words(const Target& target);
std::string net_options_words(const Target& target);

// " --resync-rate=40M ..." as the original would add them.
std::string disk_option_words(const Context& context, const Target& target);
std::string net_option_words(const Context& context, const Target& target);
std::string resource_option_words(const Context& context, const Target& target);

// " --wfc-timeout=30 ..."; a stacked resource is not waited for as long as the file says, unless it
// says that too.
std::string timeout_words(const Context& context, const Target& target);

}  // namespace drbdadm
