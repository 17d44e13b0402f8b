#include "heartbeat/tools/cl_status.h"

#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    return hb::tools::run_cl_status(words, {std::cout, std::cerr});
}
