// The superblock of DRBD 0.7, as far as it is needed to convert it. Metadata specification,
// section 15.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "meta/superblock.h"

namespace meta {

// `block` is kBlockBytes long.
bool is_v07(base::ConstBytes block);

// As v08, at the same place: counters have become identifiers, and the activity log, which stays,
// is still to be applied. Invalid: damaged.
base::Result<Superblock> superblock_of_v07(base::ConstBytes block);

}  // namespace meta
