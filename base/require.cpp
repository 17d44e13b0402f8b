#include "base/require.h"

#include <cstdio>
#include <cstdlib>

namespace base {

void require_failed(const char* condition, const char* file, int line) {
    std::fprintf(
        stderr, "%s:%d: REQUIRE(%s) failed: this is a bug in drbdd\n", file, line, condition);
    std::fflush(stderr);
    std::abort();
}

}  // namespace base
