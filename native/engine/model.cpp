#include "model.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>

#ifndef _WIN32
#include <sys/stat.h>
#endif

#include "../ggml/install.h"
#include "../ggml/weights.h"
#include "cpu.h"
#include "error.h"
#include "llama.h"
#include "log.h"
#include "model_file/gguf_file.h"
#include "model_file/model_vocabulary.h"
#include "pages.h"

namespace bge {
namespace fs = std::filesystem;

namespace {

/// What makes two loads the same: a file that was replaced or written to is another model. Device
/// and inode are there because times are coarse, and copies and archives keep them. 0 on Windows.
using FileKey = std::tuple<std::string, uint64_t, int64_t, uint64_t, uint64_t>;

std::optional<FileKey> file_key(const std::string& path) {
    std::error_code error;
    const fs::path canonical = fs::canonical(fs::u8path(path), error);
    if (error)
        return std::nullopt; // GgufFile says what is wrong with it
    const auto size = fs::file_size(canonical, error);
    const auto time = fs::last_write_time(canonical, error);
    if (error)
        return std::nullopt;
    uint64_t device = 0, inode = 0;
#ifndef _WIN32
    struct stat status {};
    if (stat(canonical.c_str(), &status) != 0)
        return std::nullopt;
    device = static_cast<uint64_t>(status.st_dev);
    inode = static_cast<uint64_t>(status.st_ino);
#endif
    return FileKey{canonical.u8string(), size, time.time_since_epoch().count(), device, inode};
}

/// llama.cpp's form of the overrides: fixed-size records, ended by an empty key.
std::vector<llama_model_kv_override> to_llama(const std::vector<MetadataOverride>& overrides) {
    std::vector<llama_model_kv_override> out;
    for (const MetadataOverride& from : overrides) {
        llama_model_kv_override to{};
        from.key.copy(to.key, sizeof(to.key) - 1);
        if (const bool* flag = std::get_if<bool>(&from.value)) {
            to.tag = LLAMA_KV_OVERRIDE_TYPE_BOOL;
            to.val_bool = *flag;
        } else if (const int64_t* number = std::get_if<int64_t>(&from.value)) {
            to.tag = LLAMA_KV_OVERRIDE_TYPE_INT;
            to.val_i64 = *number;
        } else {
            to.tag = LLAMA_KV_OVERRIDE_TYPE_STR;
            std::get<std::string>(from.value).copy(to.val_str, sizeof(to.val_str) - 1);
        }
        out.push_back(to);
    }
    out.push_back({});
    return out;
}

void require_memory(const ModelSpec& spec) {
    // weights are read, not mapped: a mapped file that is cut short later would kill the process
    const uint64_t need = spec.weight_bytes + spec.largest_tensor_bytes;
    const uint64_t room = available_memory();
    if (need > room)
        throw Error(ErrorCode::MemoryLimit, "The model needs " + std::to_string(need >> 20) +
                                                " MiB, and " + std::to_string(room >> 20) +
                                                " MiB are free.");
}

/// Whether llama.cpp's own words mean that memory ran out: it has no code for that.
bool lack_of_memory(const std::string& errors) {
    for (const char* words : {"bad_alloc", "unable to allocate", "failed to allocate"})
        if (errors.find(words) != std::string::npos)
            return true;
    return false;
}

/// Whether all of the encoder's graph runs on our kernels: heads of 32 or 64, and every matrix of a
/// block in a type and shape that they pack. What is left to ggml would tie a text's bits to its
/// batch.
bool kernels_cover(const ModelSpec& spec, const GgufFile& file) {
    const uint32_t head = spec.dim / spec.heads;
    if (head != 32 && head != 64)
        return false;
    for (const GgufTensor& tensor : file.tensors()) {
        const bool matrix = tensor.name.rfind("blk.", 0) == 0 && tensor.shape[1] > 1;
        kernels::Weight weight;
        if (matrix && !kernels::packable(static_cast<ggml_type>(tensor.type), tensor.shape[0],
                                         tensor.shape[1], kernels::Quant::Block, &weight))
            return false;
    }
    return true;
}

} // namespace

void Model::LlamaDeleter::operator()(llama_model* model) const {
    llama_model_free(model);
}

Model::~Model() = default;

uint64_t Model::weight_bytes() const {
    return spec_.weight_bytes;
}

std::shared_ptr<Model> Model::load_file(const LoadOptions& options) {
    require_supported_cpu();
    install_log();
    const bool own_kernels = kernels::install();
    // make_shared cannot reach the private constructor
    std::shared_ptr<Model> model(new Model);
    {
        const GgufFile file(options.path);
        model->spec_ = check_model(file);
        require_memory(model->spec_);
        model->float_attention_ = model->spec_.ranks() && model->spec_.weight_type == "F32";
        model->packs_exactly_ =
            own_kernels && !model->float_attention_ && kernels_cover(model->spec_, file);
        model->tokenizer_ = Tokenizer::create(read_vocabulary(file, model->spec_));
        model->modules_ = SentenceModules(file, model->spec_);
        if (model->spec_.ranks()) {
            model->rank_head_ = read_rank_head(file, model->spec_);
            model->second_type_ = read_second_type(file, model->spec_);
        }
    }
    const std::vector<llama_model_kv_override> overrides = to_llama(model->spec_.overrides);
    llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = 0;
    params.load_mode = LLAMA_LOAD_MODE_NONE;
    params.kv_overrides = overrides.data();
    params.use_extra_bufts = true;
    params.progress_callback = [](float, void* data) {
        const auto& cancelled = static_cast<const LoadOptions*>(data)->cancelled;
        return !(cancelled && cancelled());
    };
    params.progress_callback_user_data = const_cast<LoadOptions*>(&options);

    const LogCapture log;
    model->llama_.reset(llama_model_load_from_file(options.path.c_str(), params));
    if (!model->llama_) {
        if (options.cancelled && options.cancelled())
            throw Error(ErrorCode::Cancelled, "Cancelled while the model was loaded.");
        const std::string why = log.errors();
        throw Error(lack_of_memory(why) ? ErrorCode::MemoryLimit : ErrorCode::ModelLoad,
                    options.path + ": llama.cpp could not load it: " + why);
    }
    return model;
}

namespace {

struct ModelRegistry {
    std::mutex mutex;
    std::map<FileKey, std::weak_ptr<Model>> loaded;
    std::map<FileKey, std::shared_future<std::shared_ptr<Model>>> loading;
};

ModelRegistry& registry() {
    static ModelRegistry& instance = *new ModelRegistry; // outlives static destruction
    return instance;
}

} // namespace

std::shared_ptr<Model> Model::load(const LoadOptions& options) {
    limit_hoarding();
    const std::optional<FileKey> key = file_key(options.path);
    if (!key)
        return load_file(options);
    ModelRegistry& r = registry();
    std::promise<std::shared_ptr<Model>> promise;
    {
        std::unique_lock<std::mutex> lock(r.mutex);
        if (auto model = r.loaded[*key].lock())
            return model;
        const auto under_way = r.loading.find(*key);
        if (under_way != r.loading.end()) {
            const auto future = under_way->second;
            lock.unlock();
            return future.get(); // throws what the other load threw
        }
        r.loading.emplace(*key, promise.get_future().share());
    }
    auto finish = [&](const std::shared_ptr<Model>& model) {
        const std::lock_guard<std::mutex> lock(r.mutex);
        r.loading.erase(*key);
        for (auto it = r.loaded.begin(); it != r.loaded.end();)
            it = it->second.expired() ? r.loaded.erase(it) : std::next(it);
        if (model)
            r.loaded[*key] = model;
    };
    try {
        auto model = load_file(options);
        finish(model);
        promise.set_value(model);
        return model;
    } catch (...) {
        finish(nullptr);
        promise.set_exception(std::current_exception());
        throw;
    }
}

TokenizerFile load_tokenizer(const std::string& path) {
    limit_hoarding();
    const GgufFile file(path);
    const ModelSpec spec = check_model(file);
    return {Tokenizer::create(read_vocabulary(file, spec)), spec.context_length};
}

} // namespace bge
