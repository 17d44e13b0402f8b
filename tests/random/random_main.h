// What the programs of random runs have in common, one run per seed:
//   --seed N             one run of this seed
//   --first F --runs K   the seeds F, F+1, ... (default: 1, 100)
//   --verbose            the whole trace on standard error
//   --space NAME         what is drawn from, where a program knows more than one space
//   --coverage           at the end: what the runs have come to, and what none of them has
// Exit code 1 if any run broke a promise; the command that replays it is printed.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace random_runs {

struct Arguments {
    std::uint64_t first = 1;
    std::uint64_t runs = 100;
    bool verbose = false;
    bool coverage = false;
    std::string space;  // empty: the program's usual one
    bool understood = true;
};

Arguments parse(int argc, char** argv);

// While it lives, an abort() of the engine tells what the world was doing.
class AbortReport {
public:
    AbortReport(std::string program, std::uint64_t seed, std::function<std::string()> trace_end);
    ~AbortReport();
    AbortReport(const AbortReport&) = delete;
    AbortReport& operator=(const AbortReport&) = delete;

private:
    friend void on_abort(int);

    std::string program_;
    std::uint64_t seed_;
    std::function<std::string()> trace_end_;
};

// `program` with what else is needed to replay a run.
void tell_violation(const std::string& program,
                    std::uint64_t seed,
                    const std::string& trace,
                    const std::string& violation);

// In how many runs each place was reached.
class Tally {
public:
    void add(const std::map<std::string, std::uint64_t>& reached);
    void print() const;

private:
    std::uint64_t runs_ = 0;
    std::map<std::string, std::uint64_t> reached_;
};

// The main() of `program`: each seed is one RandomRun.
template <typename RandomRun>
int run_seeds(const std::string& name, int argc, char** argv) {
    constexpr bool kSpaces = requires {
        RandomRun(std::uint64_t{}, bool{}, std::string{});
    };
    const Arguments arguments = parse(argc, argv);
    bool known = arguments.understood && (kSpaces || arguments.space.empty());
    if constexpr (kSpaces) {
        known = known && RandomRun::knows_space(arguments.space);
    }
    if (!known) {
        std::fprintf(stderr,
                     "usage: %s [--seed N | --first F --runs K] [--verbose]%s\n",
                     name.c_str(),
                     kSpaces ? " [--space NAME] [--coverage]" : "");
        return 2;
    }
    const std::string program =
        arguments.space.empty() ? name : name + " --space " + arguments.space;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::uint64_t failures = 0;
    std::uint64_t events = 0;
    std::string more;
    std::uint64_t resyncs = 0;
    Tally tally;
    for (std::uint64_t i = 0; i < arguments.runs; ++i) {
        const std::uint64_t seed = arguments.first + i;
        auto run = [&] {
            if constexpr (kSpaces) {
                return RandomRun(seed, arguments.verbose, arguments.space);
            } else {
                return RandomRun(seed, arguments.verbose);
            }
        }();
        const AbortReport report(program, seed, [&run] { return run.trace_end(); });
        const auto result = run.run();
        events += result.events;
        if constexpr (requires { result.resyncs; }) {
            resyncs += result.resyncs;
            more = ", " + std::to_string(resyncs) + " resyncs";
        }
        if constexpr (requires { result.reached; }) {
            tally.add(result.reached);
        }
        if (!result.violation.empty()) {
            ++failures;
            tell_violation(program, seed, result.trace, result.violation);
        }
    }
    if (arguments.coverage) {
        tally.print();
    }
    std::printf("%llu runs, %llu failed, %llu events%s\n",
                static_cast<unsigned long long>(arguments.runs),
                static_cast<unsigned long long>(failures),
                static_cast<unsigned long long>(events),
                more.c_str());
    return failures == 0 ? 0 : 1;
}

// A line of a file of seeds that once failed: the space, where the program has more than one; the
// seed; then why.
struct Seed {
    std::string space;
    std::uint64_t number = 0;
    std::string line;
};

// None if the file cannot be read.
std::vector<Seed> seeds_in(const std::string& path);

}  // namespace random_runs
