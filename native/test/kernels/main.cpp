#include "support.h"

using namespace kernel_test;

int main(int argc, char** argv) {
    const char* name = std::getenv("BGE_M3_ISA");
    if (name && *name && supported_isa(name) == Isa::None) {
        std::printf("this machine does not run BGE_M3_ISA=%s\n", name);
        return 2;
    }
    return check::run(argc, argv);
}
