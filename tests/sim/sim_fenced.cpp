// sim_fenced: random lives of a cluster with fencing, one per seed. Options:
// tests/random/random_main.h.

#include "tests/random/random_main.h"
#include "tests/sim/random_run.h"

int main(int argc, char** argv) {
    return random_runs::run_seeds<sim::FencedRun>("sim_fenced", argc, argv);
}
