// What sentence-transformers does to token states, as far as GGUF has no keys for it: poolings
// beside CLS, mean and last token, and the modules after the pooling. Keys as
// lib/model/formats/gguf/own-keys.ts documents them. llama.cpp ignores them.
#pragma once

#include "model_check.h"

namespace bge {

/// A list of pooling modes, as sentence-transformers names them; their vectors stand beside each
/// other.
constexpr const char* kPoolingKey = "bge_m3_node.pooling";

/// "bge_m3_node.modules.INDEX.PART"
std::string module_key(size_t index, const char* part);

/// sentence-transformers' name of it; "rank" of a re-ranker's.
const char* pooling_name(Pooling pooling);

/// The modes under `kPoolingKey`. Throws ModelLoad for what is none.
std::vector<Pooling> read_poolings(const GgufFile& file);

/// Fills `modules` and `dense_dim` of a spec whose `dim` and `pooling` are known. Throws ModelLoad
/// for modules that are unknown, lack numbers or do not fit each other.
void check_modules(const GgufFile& file, ModelSpec& spec);

} // namespace bge
