#include "support.h"

using namespace kernel_test;

int main(int argc, char** argv) {
    bool ignored = false;
    chosen_isa(&ignored);
    if (ignored) {
        std::printf("this machine does not run BGE_M3_ISA=%s\n", std::getenv("BGE_M3_ISA"));
        return 2;
    }
    return check::run(argc, argv);
}
