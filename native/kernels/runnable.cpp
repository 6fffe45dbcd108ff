// Prints the names of the ISAs that this machine can run, best first: for BGE_ONLY_RUNNABLE, and
// for scripts/native.mjs.
#include <cstdio>

#include "isa.cpp"

int main() {
    for (bge::kernels::Isa isa : bge::kernels::kBestFirst)
        if (bge::kernels::supports(isa))
            std::printf("%s ", bge::kernels::isa_name(isa));
    return 0;
}
