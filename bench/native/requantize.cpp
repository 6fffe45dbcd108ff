// A model file in another type, by llama.cpp itself: what e2e compares kernels on.
//
//   requantize MODEL.gguf OUTPUT.gguf
//   f16|bf16|f32|q4_0|q4_1|q5_0|q5_1|q8_0|q2_k|q3_k|q4_k|q5_k|q6_k
#include <llama.h>

#include <cstdio>
#include <cstring>

namespace {

struct Type {
    const char* name;
    llama_ftype type;
};
constexpr Type kTypes[] = {
    {"f32", LLAMA_FTYPE_ALL_F32},        {"f16", LLAMA_FTYPE_MOSTLY_F16},
    {"bf16", LLAMA_FTYPE_MOSTLY_BF16},   {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
    {"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},   {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
    {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},   {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"q2_k", LLAMA_FTYPE_MOSTLY_Q2_K},   {"q3_k", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"q4_k", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"q5_k", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},
};

} // namespace

int main(int argc, char** argv) {
    for (const Type& t : kTypes) {
        if (argc != 4 || std::strcmp(argv[3], t.name) != 0)
            continue;
        llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
        llama_model_quantize_params params = llama_model_quantize_default_params();
        params.ftype = t.type;
        params.nthread = 2;
        params.allow_requantize = true;
        return llama_model_quantize(argv[1], argv[2], &params) == 0 ? 0 : 1;
    }
    std::fprintf(stderr, "usage: requantize MODEL.gguf OUTPUT.gguf f16|bf16|f32|q4_0|...|q6_k\n");
    return 2;
}
