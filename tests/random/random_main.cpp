#include "tests/random/random_main.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace random_runs {

namespace {

const AbortReport* current = nullptr;

}  // namespace

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const bool has_value = i + 1 < argc;
        if (std::strcmp(argv[i], "--verbose") == 0) {
            arguments.verbose = true;
        } else if (std::strcmp(argv[i], "--coverage") == 0) {
            arguments.coverage = true;
        } else if (std::strcmp(argv[i], "--space") == 0 && has_value) {
            arguments.space = argv[++i];
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

void on_abort(int) {
    std::signal(SIGABRT, SIG_DFL);
    if (current != nullptr) {
        std::fprintf(stderr,
                     "%sseed %llu aborted; replay: %s --seed %llu --verbose\n",
                     current->trace_end_().c_str(),
                     static_cast<unsigned long long>(current->seed_),
                     current->program_.c_str(),
                     static_cast<unsigned long long>(current->seed_));
    }
    std::raise(SIGABRT);
}

AbortReport::AbortReport(std::string program,
                         std::uint64_t seed,
                         std::function<std::string()> trace_end)
    : program_(std::move(program)), seed_(seed), trace_end_(std::move(trace_end)) {
    current = this;
    std::signal(SIGABRT, on_abort);
}

AbortReport::~AbortReport() {
    current = nullptr;
}

void tell_violation(const std::string& program,
                    std::uint64_t seed,
                    const std::string& trace,
                    const std::string& violation) {
    std::printf("%sseed %llu: %s\n  replay: %s --seed %llu --verbose\n",
                trace.c_str(),
                static_cast<unsigned long long>(seed),
                violation.c_str(),
                program.c_str(),
                static_cast<unsigned long long>(seed));
}

void Tally::add(const std::map<std::string, std::uint64_t>& reached) {
    ++runs_;
    for (const auto& [place, times] : reached) {
        reached_[place] += times > 0 ? 1 : 0;
    }
}

void Tally::print() const {
    for (const auto& [place, runs] : reached_) {
        if (runs > 0) {
            std::printf("%5.1f%%  %s\n",
                        100.0 * static_cast<double>(runs) / static_cast<double>(runs_),
                        place.c_str());
        }
    }
    for (const auto& [place, runs] : reached_) {
        if (runs == 0) {
            std::printf("never   %s\n", place.c_str());
        }
    }
}

std::vector<Seed> seeds_in(const std::string& path) {
    std::vector<Seed> seeds;
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        Seed seed;
        if (line.empty() || line[0] == '#') {
            continue;
        }
        const bool bare = line[0] >= '0' && line[0] <= '9';
        if ((bare || words >> seed.space) && words >> seed.number) {
            seed.line = line;
            seeds.push_back(seed);
        }
    }
    return seeds;
}

}  // namespace random_runs
