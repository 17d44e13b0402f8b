// hbsim_random: random lives of a cluster, one per seed. Options: tests/random/random_main.h.

#include "tests/hbsim/random_run.h"
#include "tests/random/random_main.h"

int main(int argc, char** argv) {
    return random_runs::run_seeds<hbsim::RandomRun>("hbsim_random", argc, argv);
}
