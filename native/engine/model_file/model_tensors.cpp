#include "model_tensors.h"

#include "file_kind.h"
#include "gguf_file.h"
#include "model_metadata.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace bge {

namespace {

// ggml's TENSOR_ALIGNMENT: a memory-mapped tensor elsewhere ends in an assertion.
constexpr uint64_t kTensorAlignment = 32;

enum class Role {
    Table,  // rows are looked up
    Matrix, // multiplied by
    Vector, // norm weight or bias: added or multiplied element by element, F32 or ggml aborts
};

/// Walks over the tensors that llama.cpp's load_arch_tensors (src/models/bert.cpp) asks for and
/// compares each with what the file has.
class TensorCheck {
  public:
    TensorCheck(const GgufFile& file, ModelSpec& spec) : file_(file), spec_(spec) {}

    void run() {
        check_tables();
        for (uint32_t layer = 0; layer < spec_.layers; ++layer)
            check_layer("blk." + std::to_string(layer) + ".");
        check_classifier();
        refuse_leftovers();
        sum_up();
    }

  private:
    const GgufTensor* optional(const std::string& name, Role role, int64_t columns,
                               int64_t rows = 1) {
        const GgufTensor* tensor = file_.find_tensor(name);
        if (!tensor)
            return nullptr;
        seen_.insert(name);
        if (tensor->shape != std::array<int64_t, 4>{columns, rows, 1, 1})
            refuse_model(file_, "tensor " + quoted(name) + " has the shape " + shape(*tensor) +
                                    ", expected " + std::to_string(columns) + " x " +
                                    std::to_string(rows));
        const TensorTypeInfo* info = tensor_type_info(static_cast<uint32_t>(tensor->type));
        const bool usable =
            role == Role::Vector ? tensor->type == TensorType::F32 : info && info->is_weight;
        if (!usable)
            refuse_model(file_, "tensor " + quoted(name) + " has the type " +
                                    tensor_type_name(tensor->type) +
                                    (role == Role::Vector ? ", expected F32"
                                                          : ", which the CPU cannot compute with"));
        if (tensor->offset % kTensorAlignment != 0)
            refuse_model(file_, "tensor " + quoted(name) +
                                    " does not begin at a multiple of 32 "
                                    "bytes (general.alignment is too small)");
        if (role == Role::Matrix) {
            spec_.matrix_bytes += tensor->bytes;
            bytes_by_type_[tensor->type] += tensor->bytes;
        } else if (role == Role::Table) {
            spec_.table_bytes += tensor->bytes;
        }
        return tensor;
    }

    void required(const std::string& name, Role role, int64_t columns, int64_t rows = 1) {
        if (!optional(name, role, columns, rows))
            refuse_model(file_, "the tensor " + quoted(name) + " is missing");
    }

    void check_tables() {
        required("token_embd.weight", Role::Table, spec_.dim, spec_.vocab_size);
        required("position_embd.weight", Role::Table, spec_.dim, spec_.context_length);
        check_token_types();
        required("token_embd_norm.weight", Role::Vector, spec_.dim);
        required("token_embd_norm.bias", Role::Vector, spec_.dim);
    }

    /// The first row of this table is added to every token by a plain addition: F32 only. The
    /// number of its rows is what tokenizer.ggml.token_type_count must say, or llama.cpp refuses.
    void check_token_types() {
        const GgufTensor* table = file_.find_tensor("token_types.weight");
        if (!table) {
            spec_.token_types = std::max(spec_.token_types, 1u);
            spec_.warnings.push_back("it has no token type table (token_types.weight): fine if "
                                     "the model has none, slightly wrong vectors if it was lost");
            return;
        }
        if (table->type != TensorType::F32)
            refuse_model(file_, std::string("tensor \"token_types.weight\" has the type ") +
                                    tensor_type_name(table->type) +
                                    ", which llama.cpp cannot compute with; it must be F32");
        if (table->shape[1] > 1024)
            refuse_model(file_, "tensor \"token_types.weight\" has too many rows");
        const auto rows = static_cast<uint32_t>(table->shape[1]);
        if (spec_.token_types != rows)
            spec_.warnings.push_back("tokenizer.ggml.token_type_count is " +
                                     std::to_string(spec_.token_types) + ", but there are " +
                                     std::to_string(rows) + " token types; ignored");
        spec_.token_types = rows;
        required("token_types.weight", Role::Table, spec_.dim, rows);
    }

    void check_layer(const std::string& prefix) {
        const int64_t dim = spec_.dim;
        // llama.cpp looks for the three projections in one tensor first, then apart.
        if (optional(prefix + "attn_qkv.weight", Role::Matrix, dim, 3 * dim)) {
            if (!optional(prefix + "attn_qkv.bias", Role::Vector, 3 * dim))
                for (const char* name : {"attn_q.bias", "attn_k.bias", "attn_v.bias"})
                    optional(prefix + name, Role::Vector, dim);
        } else {
            for (const char* name : {"attn_q", "attn_k", "attn_v"}) {
                required(prefix + name + ".weight", Role::Matrix, dim, dim);
                optional(prefix + name + ".bias", Role::Vector, dim);
            }
        }
        required(prefix + "attn_output.weight", Role::Matrix, dim, dim);
        optional(prefix + "attn_output.bias", Role::Vector, dim);
        required(prefix + "attn_output_norm.weight", Role::Vector, dim);
        required(prefix + "attn_output_norm.bias", Role::Vector, dim);
        required(prefix + "ffn_up.weight", Role::Matrix, dim, spec_.ffn);
        optional(prefix + "ffn_up.bias", Role::Vector, spec_.ffn);
        required(prefix + "ffn_down.weight", Role::Matrix, spec_.ffn, dim);
        optional(prefix + "ffn_down.bias", Role::Vector, dim);
        required(prefix + "layer_output_norm.weight", Role::Vector, dim);
        required(prefix + "layer_output_norm.bias", Role::Vector, dim);
    }

    /// A head with one label makes a re-ranker. The states of other classifiers were trained for
    /// their heads and mean nothing without.
    void check_classifier() {
        const auto is_head = [](const GgufTensor& tensor) {
            return tensor.name.rfind("cls.", 0) == 0;
        };
        const auto& tensors = file_.tensors();
        const auto first = std::find_if(tensors.begin(), tensors.end(), is_head);
        if (first == tensors.end())
            return;
        const GgufTensor* out = file_.find_tensor("cls.output.weight");
        if (!spec_.ranks() || !out)
            refuse_model(file_, "it has a part of a classification head (" + quoted(first->name) +
                                    ") that is neither an embedder's nor a re-ranker's");
        const GgufValue* labels = file_.find("bert.classifier.output_labels");
        if (out->shape[1] != 1 || (labels && labels->count != 1))
            refuse_model(file_, "it is a classifier with " +
                                    std::to_string(labels ? static_cast<int64_t>(labels->count)
                                                          : out->shape[1]) +
                                    " labels; a re-ranker has one");
        if (!file_.find_tensor("cls.weight"))
            refuse_model(file_, "its head has no dense layer (cls.weight): llama.cpp's converter "
                                "leaves out BERT's pooler, and scores are wrong without; convert "
                                "the checkpoint with `bge-m3 model convert`");
        required("cls.weight", Role::Matrix, spec_.dim, spec_.dim);
        optional("cls.bias", Role::Vector, spec_.dim);
        required("cls.output.weight", Role::Matrix, spec_.dim);
        optional("cls.output.bias", Role::Vector, 1);
    }

    /// llama.cpp wants to have used every tensor.
    void refuse_leftovers() {
        for (const GgufTensor& tensor : file_.tensors())
            if (seen_.count(tensor.name) == 0)
                refuse_model(file_, "it has the tensor " + quoted(tensor.name) +
                                        ", which is not part of a BERT with " +
                                        std::to_string(spec_.layers) + " layers");
    }

    void sum_up() {
        for (const GgufTensor& tensor : file_.tensors()) {
            spec_.weight_bytes += tensor.bytes;
            spec_.parameters += static_cast<uint64_t>(tensor.elements());
            spec_.largest_tensor_bytes = std::max(spec_.largest_tensor_bytes, tensor.bytes);
        }
        uint64_t most = 0;
        for (const auto& [type, bytes] : bytes_by_type_) {
            if (bytes > most)
                spec_.weight_type = tensor_type_name(type);
            most = std::max(most, bytes);
        }
    }

    static std::string shape(const GgufTensor& tensor) {
        std::string out = std::to_string(tensor.shape[0]);
        const int last = tensor.shape[3] != 1 ? 3 : tensor.shape[2] != 1 ? 2 : 1;
        for (int d = 1; d <= last; ++d)
            out += " x " + std::to_string(tensor.shape[static_cast<size_t>(d)]);
        return out;
    }

    const GgufFile& file_;
    ModelSpec& spec_;
    std::set<std::string> seen_;
    std::map<TensorType, uint64_t> bytes_by_type_;
};

} // namespace

void check_tensors(const GgufFile& file, ModelSpec& spec) {
    TensorCheck(file, spec).run();
}

} // namespace bge
