#include "sentence_modules.h"

#include <algorithm>
#include <cmath>

#include "dot.h"
#include "model_file/gguf_file.h"
#include "model_file/model_modules.h"

namespace bge {

namespace {

constexpr double kLayerNormEpsilon = 1e-5; // torch.nn.LayerNorm's default, which its module takes
constexpr double kShortest = 1e-12;        // torch.nn.functional.normalize's

double activate(Activation activation, double x) {
    switch (activation) {
    case Activation::Tanh:
        return std::tanh(x);
    case Activation::Relu:
        return x < 0 ? 0 : x;
    case Activation::Gelu:
        return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::Sigmoid:
        return 1 / (1 + std::exp(-x));
    case Activation::Silu:
        return x / (1 + std::exp(-x));
    case Activation::Identity:
        break;
    }
    return x;
}

} // namespace

SentenceModules::SentenceModules(const GgufFile& file, const ModelSpec& spec) {
    for (size_t i = 0; i < spec.modules.size(); ++i)
        modules_.push_back({spec.modules[i], file.f32_array(module_key(i, "weight")),
                            file.f32_array(module_key(i, "bias"))});
}

void SentenceModules::apply(std::vector<float> state, float* out) const {
    for (const Module& module : modules_)
        state = run(module, state);
    std::copy(state.begin(), state.end(), out);
}

std::vector<float> SentenceModules::run(const Module& module, const std::vector<float>& in) {
    const size_t inputs = in.size();
    std::vector<float> out(module.spec.outputs);
    switch (module.spec.kind) {
    case ModuleSpec::Kind::Dense:
        for (size_t row = 0; row < out.size(); ++row) {
            const double bias = module.bias.empty() ? 0.0 : static_cast<double>(module.bias[row]);
            const double sum = dot(&module.weight[row * inputs], in.data(), inputs) + bias;
            out[row] = static_cast<float>(activate(module.spec.activation, sum));
        }
        break;
    case ModuleSpec::Kind::LayerNorm: {
        double mean = 0, variance = 0;
        for (const float x : in)
            mean += static_cast<double>(x);
        mean /= static_cast<double>(inputs);
        for (const float x : in) {
            const double distance = static_cast<double>(x) - mean;
            variance += distance * distance;
        }
        variance /= static_cast<double>(inputs);
        const double scale = 1 / std::sqrt(variance + kLayerNormEpsilon);
        for (size_t i = 0; i < inputs; ++i)
            out[i] = static_cast<float>((static_cast<double>(in[i]) - mean) * scale *
                                            static_cast<double>(module.weight[i]) +
                                        static_cast<double>(module.bias[i]));
        break;
    }
    case ModuleSpec::Kind::Normalize: {
        const double length = std::sqrt(dot(in.data(), in.data(), inputs));
        for (size_t i = 0; i < inputs; ++i)
            out[i] = static_cast<float>(static_cast<double>(in[i]) / std::max(length, kShortest));
        break;
    }
    }
    return out;
}

} // namespace bge
