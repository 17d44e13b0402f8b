#include "cli/drbdadm/program.h"

#include <string>
#include <vector>

int main(int argc, char** argv) {
    return drbdadm::run(std::vector<std::string>(argv + 1, argv + argc));
}
