// sim_random: random lives of a cluster, one per seed.
//   --seed N      one run of this seed
//   --first F --runs K   the seeds F, F+1, ... (default: 1, 100)
//   --verbose     the whole trace on standard error
// Exit code 1 if any run broke a promise; the command that replays it is printed.

#include "base/log.h"
#include "tests/sim/random_run.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

struct Arguments {
    std::uint64_t first = 1;
    std::uint64_t runs = 100;
    bool verbose = false;
    sim::Variant variant = sim::Variant::Plain;
    bool understood = true;
};

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const bool has_value = i + 1 < argc;
        if (std::strcmp(argv[i], "--verbose") == 0) {
            arguments.verbose = true;
        } else if (std::strcmp(argv[i], "--fenced") == 0) {
            arguments.variant = sim::Variant::Fenced;
        } else if (std::strcmp(argv[i], "--seed") == 0 && has_value) {
            arguments.first = std::strtoull(argv[++i], nullptr, 0);
            arguments.runs = 1;
        } else if (std::strcmp(argv[i], "--first") == 0 && has_value) {
            arguments.first = std::strtoull(argv[++i], nullptr, 0);
        } else if (std::strcmp(argv[i], "--runs") == 0 && has_value) {
            arguments.runs = std::strtoull(argv[++i], nullptr, 0);
        } else {
            arguments.understood = false;
        }
    }
    return arguments;
}

// What an abort() of the engine is to tell; set for the length of a run.
sim::RandomRun* current_run = nullptr;
std::uint64_t current_seed = 0;

void on_abort(int) {
    std::signal(SIGABRT, SIG_DFL);
    if (current_run != nullptr) {
        std::fprintf(stderr,
                     "%sseed %llu aborted; replay: sim_random --seed %llu --verbose\n",
                     current_run->trace_end().c_str(),
                     static_cast<unsigned long long>(current_seed),
                     static_cast<unsigned long long>(current_seed));
    }
    std::raise(SIGABRT);
}

}  // namespace

int main(int argc, char** argv) {
    const Arguments arguments = parse(argc, argv);
    if (!arguments.understood) {
        std::fprintf(stderr, "usage: sim_random [--seed N | --first F --runs K] [--verbose]\n");
        return 2;
    }
    std::signal(SIGABRT, on_abort);
    std::uint64_t failures = 0;
    std::uint64_t events = 0;
    std::uint64_t resyncs = 0;
    for (std::uint64_t i = 0; i < arguments.runs; ++i) {
        current_seed = arguments.first + i;
        sim::RandomRun run(current_seed, arguments.verbose, arguments.variant);
        current_run = &run;
        const sim::RunResult result = run.run();
        current_run = nullptr;
        events += result.events;
        resyncs += result.resyncs;
        if (!result.violation.empty()) {
            ++failures;
            std::printf("%sseed %llu: %s\n  replay: sim_random --seed %llu --verbose\n",
                        result.trace.c_str(),
                        static_cast<unsigned long long>(current_seed),
                        result.violation.c_str(),
                        static_cast<unsigned long long>(current_seed));
        }
    }
    std::printf("%llu runs, %llu failed, %llu events, %llu resyncs\n",
                static_cast<unsigned long long>(arguments.runs),
                static_cast<unsigned long long>(failures),
                static_cast<unsigned long long>(events),
                static_cast<unsigned long long>(resyncs));
    return failures == 0 ? 0 : 1;
}
