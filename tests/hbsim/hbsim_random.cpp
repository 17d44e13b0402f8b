// hbsim_random: random lives of a cluster, one per seed. Options: tests/random/random_main.h, and
// before them
//   --space wide    everything that the simulator knows (the default)
//   --space first   what it knew when the first seeds were recorded

#include "tests/hbsim/random_run.h"
#include "tests/random/random_main.h"

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
    const bool named = argc > 2 && std::strcmp(argv[1], "--space") == 0;
    const bool first = named && std::strcmp(argv[2], "first") == 0;
    if (named && !first && std::strcmp(argv[2], "wide") != 0) {
        std::fprintf(stderr, "hbsim_random: the spaces are first and wide\n");
        return 2;
    }
    if (named) {
        argc -= 2;
        argv += 2;
    }
    return first
               ? random_runs::run_seeds<hbsim::RandomRun>("hbsim_random --space first", argc, argv)
               : random_runs::run_seeds<hbsim::WideRun>("hbsim_random", argc, argv);
}
