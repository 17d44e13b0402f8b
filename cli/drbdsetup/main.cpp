#include "cli/drbdsetup/program.h"

#include <string>
#include <vector>

int main(int argc, char** argv) {
    return drbdsetup::run(std::vector<std::string>(argv + 1, argv + argc));
}
