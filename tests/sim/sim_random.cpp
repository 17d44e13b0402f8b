// sim_random: random lives of a cluster, one per seed. Options: tests/random/random_main.h.

#include "tests/random/random_main.h"
#include "tests/sim/random_run.h"

int main(int argc, char** argv) {
    return random_runs::run_seeds<sim::RandomRun>("sim_random", argc, argv);
}
