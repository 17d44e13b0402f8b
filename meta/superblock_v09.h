// The superblock of DRBD 9, as far as it is needed to bring a disk home from there: metadata for
// one peer have the layout of v08, only the superblock differs. Metadata specification, sections
// 16, 17 and 21.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "meta/superblock.h"

namespace meta {

// `block` is kBlockBytes long and has the magic of v09. Unsupported: for more than one peer.
// Invalid: damaged, or its activity log has not been applied, which is the business of DRBD 9's
// tool.
base::Result<Superblock> superblock_of_v09(base::ConstBytes block);

}  // namespace meta
