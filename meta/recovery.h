// What apply-al, and our own attach, have to do with metadata before it is used: pure decision, the
// caller does the I/O. Metadata specification, sections 6.1, 6.2 and 6.4.
//
// Order on disk, a flush after each step, so that a crash at any point only repeats work:
//   1. set the bits of `mark` in the bitmap, 2. write the superblock of without_log(), 3. write
//   initialized blocks to the whole ring, 4. write the superblock of recovered().
//   A crash within 3 may leave torn blocks; without 2 the disk could not be attached any more.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "meta/superblock.h"

#include <vector>

namespace meta {

struct Recovery {
    std::vector<base::AlExtent> mark;  // all bits of these go out of sync; ascending
    bool initialize_al = false;
    bool write_superblock = false;
    std::uint32_t corrupt_transactions = 0;  // worth a warning; a single one is a torn last write

    bool nothing_to_do() const { return mark.empty() && !initialize_al && !write_superblock; }
};

// `al_area`: the whole activity log of the superblock's striping. An error means that bits ought to
// be marked but the log cannot be read: nothing may be written, and the metadata stays unusable.
base::Result<Recovery> plan_recovery(const Superblock& superblock, base::ConstBytes al_area);

// The superblock as it is after recovery: clean. PRIMARY_IND stays, the attach needs it.
Superblock recovered(Superblock superblock);

// As recovered(), but the node is remembered as a crashed Primary without PRIMARY_IND: the log is
// not needed, not even to those who insist on reading it.
Superblock without_log(Superblock superblock);

// Sets the bits of `extent` within `page`, the kBlockBytes of bitmap that start at `page_offset`;
// returns how many were clear before. The bitmap describes `size`, see bitmap_area.h.
std::uint64_t mark_extent(base::AlExtent extent,
                          base::Sector size,
                          std::uint64_t page_offset,
                          base::Bytes page);

}  // namespace meta
