#include "model_modules.h"

#include "file_kind.h"
#include "gguf_file.h"
#include "model_metadata.h"

#include <algorithm>
#include <utility>

namespace bge {

namespace {

constexpr const char* kModulesKey = "bge_m3_node.modules";
constexpr size_t kMostModules = 32;
constexpr uint64_t kMostOutputs = 1u << 20;

template <class Value> using Name = std::pair<const char*, Value>;

constexpr Name<Pooling> kPoolings[] = {
    {"cls", Pooling::Cls},
    {"max", Pooling::Max},
    {"mean", Pooling::Mean},
    {"mean_sqrt_len_tokens", Pooling::MeanSqrtLen},
    {"weightedmean", Pooling::WeightedMean},
    {"lasttoken", Pooling::LastToken},
};

constexpr Name<Activation> kActivations[] = {
    {"identity", Activation::Identity}, {"tanh", Activation::Tanh},
    {"relu", Activation::Relu},         {"gelu", Activation::Gelu},
    {"sigmoid", Activation::Sigmoid},   {"silu", Activation::Silu},
};

constexpr Name<ModuleSpec::Kind> kModules[] = {
    {"dense", ModuleSpec::Kind::Dense},
    {"layer_norm", ModuleSpec::Kind::LayerNorm},
    {"normalize", ModuleSpec::Kind::Normalize},
};

template <class Value, size_t N>
Value named(const GgufFile& file, const Name<Value> (&table)[N], std::string_view name,
            const std::string& what) {
    for (const auto& [known, value] : table)
        if (name == known)
            return value;
    refuse_model(file, what + " " + quoted(std::string(name)) + " is not known");
}

/// Elements of a FLOAT32 array; 0 without it.
uint64_t count_of(const GgufFile& file, const std::string& key) {
    const GgufValue* value = file.find(key);
    if (!value)
        return 0;
    if (value->type != GgufType::Array || value->element_type != GgufType::F32)
        refuse_model(file, key + " is not an array of f32");
    return value->count;
}

ModuleSpec read_module(const GgufFile& file, size_t index, std::string_view name, uint32_t inputs) {
    ModuleSpec module;
    module.kind = named(file, kModules, name, "the module");
    module.inputs = module.outputs = inputs;
    const std::string weight = module_key(index, "weight"), bias = module_key(index, "bias");
    const uint64_t weights = count_of(file, weight), biases = count_of(file, bias);
    const auto misfit = [&] {
        refuse_model(file, weight + " and .bias have " + std::to_string(weights) + " and " +
                               std::to_string(biases) + " elements, which do not fit the " +
                               std::to_string(inputs) + " inputs of module " +
                               std::to_string(index));
    };
    if (module.kind == ModuleSpec::Kind::Dense) {
        const uint64_t outputs = weights / inputs;
        if (outputs == 0 || outputs > kMostOutputs || outputs * inputs != weights ||
            (biases != 0 && biases != outputs))
            misfit();
        module.outputs = static_cast<uint32_t>(outputs);
        module.bias = biases != 0;
        const std::string key = module_key(index, "activation");
        module.activation =
            named(file, kActivations, file.string(key).value_or("identity"), "the activation");
    } else {
        const uint64_t wanted = module.kind == ModuleSpec::Kind::LayerNorm ? inputs : 0;
        if (weights != wanted || biases != wanted)
            misfit();
    }
    return module;
}

} // namespace

std::string module_key(size_t index, const char* part) {
    return std::string(kModulesKey) + "." + std::to_string(index) + "." + part;
}

const char* pooling_name(Pooling pooling) {
    for (const auto& [name, value] : kPoolings)
        if (value == pooling)
            return name;
    return "rank";
}

std::vector<Pooling> read_poolings(const GgufFile& file) {
    std::vector<Pooling> poolings;
    for (const std::string_view name : file.strings(kPoolingKey))
        poolings.push_back(named(file, kPoolings, name, "the pooling"));
    if (poolings.empty() || poolings.size() > std::size(kPoolings))
        refuse_model(file, std::string(kPoolingKey) + " names " + std::to_string(poolings.size()) +
                               " poolings");
    return poolings;
}

void check_modules(const GgufFile& file, ModelSpec& spec) {
    spec.dense_dim = static_cast<uint32_t>(spec.pooling.size()) * spec.dim;
    const std::vector<std::string_view> names = file.strings(kModulesKey);
    if (names.size() > kMostModules)
        refuse_model(file, "it has " + std::to_string(names.size()) + " modules");
    if (spec.ranks() && !names.empty())
        refuse_model(file, "a re-ranker has no modules after its head");
    for (size_t i = 0; i < names.size(); ++i) {
        spec.modules.push_back(read_module(file, i, names[i], spec.dense_dim));
        spec.dense_dim = spec.modules.back().outputs;
    }
}

} // namespace bge
