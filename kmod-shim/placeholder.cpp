#include "kmod-shim/placeholder.h"

#include <sys/sysmacros.h>

namespace shim {

namespace {

constexpr unsigned kNobodysMajor = 0;

}  // namespace

dev_t placeholder_number(unsigned minor) {
    return makedev(kNobodysMajor, minor);
}

bool is_placeholder(dev_t number) {
    return major(number) == kNobodysMajor;
}

}  // namespace shim
