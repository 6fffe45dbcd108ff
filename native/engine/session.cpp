#include "session.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <new>
#include <numeric>
#include <utility>

#include "../ggml/install.h"
#include "../ggml/thread_pool.h"
#include "compute_slot.h"
#include "cpu.h"
#include "llama.h"
#include "log.h"
#include "pages.h"
#include "pooling.h"

namespace bge {

using Clock = std::chrono::steady_clock;

namespace {

/// Starts `count` threads at once and ends them: ggml aborts the process when it cannot start one.
/// Their stacks stay in the C library's cache, so ggml's own start succeeds after this.
void require_threads(int count) {
    std::mutex gate;
    std::unique_lock<std::mutex> closed(gate);
    std::vector<std::thread> trial;
    bool enough = true;
    try {
        trial.reserve(static_cast<size_t>(std::max(count, 0)));
        for (int i = 0; i < count; ++i)
            trial.emplace_back([&gate] { const std::lock_guard<std::mutex> pass(gate); });
    } catch (const std::exception&) { // system_error for the thread, bad_alloc for its record
        enough = false;
    }
    closed.unlock();
    for (std::thread& thread : trial)
        thread.join();
    if (!enough)
        throw Error(ErrorCode::MemoryLimit,
                    "Not enough memory to start " + std::to_string(count) + " compute threads.");
}

/// Context sizes, in tokens. A context is made for the smallest that fits: its buffers grow with
/// it.
constexpr std::array<uint32_t, 5> kContextSizes = {512, 1024, 2048, 4096, 8192};
/// After this long without work for it, a context larger than the smallest is given back.
constexpr auto kIdleShrink = std::chrono::seconds(2);
/// The longest text, in tokens, whose attention is computed in float32: its scores grow with the
/// square. One of kContextSizes.
constexpr uint32_t kMostFloatAttention = 2048;
/// Below llama.cpp's LLAMA_MAX_SEQ (256).
constexpr uint32_t kMaxTexts = 128;

double milliseconds(Clock::duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

struct ContextDeleter {
    void operator()(llama_context* c) const { llama_free(c); }
};

} // namespace

struct Session::Context {
    // the context is freed before the pool it is attached to
    kernels::ThreadPool pool;
    bool float_attention = false;
    std::unique_ptr<llama_context, ContextDeleter> llama;
};

Session::Session(std::shared_ptr<Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      threads_(options.threads > 0 ? options.threads : default_threads()) {
    if (!model_->second_type().empty())
        types_.emplace(model_->second_type());
    thread_ = std::thread([this] { run(); });
}

Session::~Session() {
    stop();
}

void Session::submit(const std::shared_ptr<Batch>& batch) {
    const ModelSpec& spec = model_->spec();
    uint64_t total = 0;
    for (const uint32_t length : batch->lengths) {
        if (length == 0 || length > spec.context_length)
            throw Error(ErrorCode::InvalidInput, "A text of " + std::to_string(length) +
                                                     " tokens was handed to a model of " +
                                                     std::to_string(spec.context_length) +
                                                     " positions.");
        total += length;
    }
    if (batch->lengths.empty() || batch->lengths.size() > kMaxTexts ||
        total != batch->tokens.size())
        throw Error(ErrorCode::InvalidInput, "The batch's lengths do not add up.");
    bool firsts_fit = batch->firsts.empty() || batch->firsts.size() == batch->lengths.size();
    for (size_t i = 0; firsts_fit && i < batch->firsts.size(); ++i)
        firsts_fit = batch->firsts[i] <= batch->lengths[i];
    if (!firsts_fit)
        throw Error(ErrorCode::InvalidInput, "The batch's first parts do not fit its texts.");
    const Heads* heads = batch->heads.get();
    if (((batch->outputs & kSparse) && !(heads && heads->sparse)) ||
        ((batch->outputs & kColbert) && !(heads && heads->colbert)))
        throw Error(ErrorCode::InvalidInput,
                    "An output was asked for that the model has no head for.");
    for (const int32_t id : batch->tokens) {
        if (id < 0 || static_cast<uint32_t>(id) >= spec.vocab_size)
            throw Error(ErrorCode::InvalidInput, "A token id lies outside the vocabulary.");
    }
    batch->submitted = Clock::now();
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (stopping_)
            throw Error(ErrorCode::Disposed, "The engine was stopped.");
        queue_.push_back(batch);
    }
    wake_.notify_one(); // after the lock: the thread would wake only to wait for it
}

bool Session::withdraw(const std::shared_ptr<Batch>& batch) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = std::find(queue_.begin(), queue_.end(), batch);
        if (found == queue_.end())
            return false;
        queue_.erase(found);
    }
    BatchResult result;
    result.error = Error(ErrorCode::Cancelled, "Withdrawn before it ran.");
    batch->done(std::move(result));
    return true;
}

void Session::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    const std::lock_guard<std::mutex> join(join_mutex_);
    if (!thread_.joinable())
        return;
    // the last owner may be a callback on the engine's own thread: it cannot join itself
    if (thread_.get_id() == std::this_thread::get_id())
        thread_.detach();
    else
        thread_.join();
}

void Session::run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stopping_) {
        if (queue_.empty()) {
            const bool shrinkable = context_tokens_ > kContextSizes.front();
            if (!shrinkable) {
                wake_.wait(lock);
            } else if (wake_.wait_for(lock, kIdleShrink) == std::cv_status::timeout &&
                       queue_.empty()) {
                drop_context();
            }
            continue;
        }
        const std::shared_ptr<Batch> batch = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        current_ = batch.get();
        execute(*batch);
        current_ = nullptr;
        lock.lock();
    }
    std::deque<std::shared_ptr<Batch>> left;
    left.swap(queue_);
    lock.unlock();
    for (const auto& batch : left) {
        BatchResult result;
        result.error = Error(ErrorCode::Disposed, "The engine was stopped.");
        batch->done(std::move(result));
    }
    drop_context();
}

void Session::execute(Batch& batch) {
    BatchResult result;
    const auto started = Clock::now();
    result.queue_ms = milliseconds(started - batch.submitted);
    try {
        if (batch.cancelled)
            throw Error(ErrorCode::Cancelled, "Cancelled before it ran.");
        const size_t n_texts = batch.lengths.size();
        result.pooled.reserve(n_texts * model_->result_size());

        const ComputeSlot slot([this] { return should_abort(); });
        if (model_->packs_exactly()) {
            ensure_context(static_cast<uint32_t>(batch.tokens.size()));
            encode(batch, 0, n_texts, 0, batch.tokens.size(), result);
        } else {
            // ggml's own ops give a text other bits beside other texts: one at a time then
            if (!model_->float_attention())
                ensure_context(*std::max_element(batch.lengths.begin(), batch.lengths.end()));
            size_t token = 0;
            for (size_t i = 0; i < n_texts; ++i) {
                if (model_->float_attention()) // a text's length alone decides on its attention
                    ensure_context(batch.lengths[i]);
                encode(batch, i, 1, token, batch.lengths[i], result);
                token += batch.lengths[i];
            }
        }
    } catch (const std::exception&) {
        result = BatchResult();
        result.error = caught(ErrorCode::Inference);
    }
    result.compute_ms = milliseconds(Clock::now() - started);
    batch.done(std::move(result));
}

void Session::encode(const Batch& batch, size_t first_text, size_t n_texts, size_t first_token,
                     size_t n_tokens, BatchResult& result) {
    std::vector<int32_t> tokens(batch.tokens.begin() + static_cast<ptrdiff_t>(first_token),
                                batch.tokens.begin() +
                                    static_cast<ptrdiff_t>(first_token + n_tokens));
    std::vector<llama_pos> positions(n_tokens);
    std::vector<int32_t> n_seq_id(n_tokens, 1);
    std::vector<llama_seq_id> seq_ids(n_tokens);
    std::vector<llama_seq_id*> seq_id(n_tokens);
    std::vector<int8_t> wanted(n_tokens, 1);
    // Hugging Face's create_position_ids_from_input_ids. Padding itself has row 1 there, which is
    // zero and which converters cut off: the row of the next token stands in for it.
    const auto padding = model_->spec().padding_has_no_position
                             ? static_cast<int32_t>(model_->tokenizer().vocabulary().padding())
                             : -1;
    size_t at = 0;
    kernels::TokenTypes::Ranges second;
    for (size_t i = 0; i < n_texts; ++i) {
        if (!batch.firsts.empty())
            second.emplace_back(at + batch.firsts[first_text + i],
                                at + batch.lengths[first_text + i]);
        llama_pos next = 0;
        for (uint32_t p = 0; p < batch.lengths[first_text + i]; ++p, ++at) {
            positions[at] = tokens[at] == padding ? next : next++;
            seq_ids[at] = static_cast<llama_seq_id>(i);
            seq_id[at] = &seq_ids[at];
        }
    }
    llama_batch raw{};
    raw.n_tokens = static_cast<int32_t>(n_tokens);
    raw.token = tokens.data();
    raw.pos = positions.data();
    raw.n_seq_id = n_seq_id.data();
    raw.seq_id = seq_id.data();
    raw.logits = wanted.data();

    if (types_)
        types_->expect(std::move(second));
    llama_context* llama = context_->llama.get();
    const LogCapture log;
    const int status = llama_encode(llama, raw);
    if (status == 2 || should_abort()) {
        if (stopping_)
            throw Error(ErrorCode::Disposed, "The engine was stopped.");
        throw Error(ErrorCode::Cancelled, "Cancelled while it ran.");
    }
    if (status == -2) {
        drop_context();
        throw Error(ErrorCode::MemoryLimit, "Not enough memory for " + std::to_string(n_tokens) +
                                                " tokens: " + log.errors());
    }
    if (status != 0)
        throw Error(ErrorCode::Inference,
                    "llama.cpp gave up (" + std::to_string(status) + "): " + log.errors());
    if (types_ && !types_->added())
        throw Error(ErrorCode::Inference, "llama.cpp's graph had no place for token types.");
    float* states = llama_get_embeddings(llama);
    if (!states)
        throw Error(ErrorCode::Inference, "llama.cpp gave no token states.");

    size_t row = 0;
    for (size_t i = 0; i < n_texts; ++i) {
        collect(batch, first_text + i, tokens.data() + row, states + row * model_->spec().dim,
                result);
        row += batch.lengths[first_text + i];
    }
    // llama.cpp puts the states behind room for logits that nobody asked for, a megabyte a token:
    // every other number of tokens touches other pages, gigabytes of them in the end
    const ModelSpec& spec = model_->spec();
    discard_pages(states, n_tokens * spec.dim * sizeof(float),
                  n_tokens * spec.vocab_size * sizeof(float));
}

void Session::collect(const Batch& batch, size_t text, const int32_t* tokens, const float* states,
                      BatchResult& result) const {
    const ModelSpec& spec = model_->spec();
    const uint32_t length = batch.lengths[text];
    const size_t dim = spec.dim;
    const size_t pooled = result.pooled.size();
    result.pooled.resize(pooled + model_->result_size());
    if (const RankHead* head = model_->rank_head())
        result.pooled[pooled] = head->score(states);
    else
        model_->modules().apply(pool_states(states, length, dim, spec.pooling),
                                result.pooled.data() + pooled);
    if (batch.outputs & kSparse)
        result.sparse.push_back(sparse_of(*batch.heads->sparse, model_->tokenizer().vocabulary(),
                                          states, tokens, length, dim));
    if (batch.outputs & kStates)
        result.states.insert(result.states.end(), states, states + length * dim);
    if (batch.outputs & kColbert) {
        const size_t before = result.colbert.size();
        const auto width = static_cast<size_t>(batch.heads->colbert->out_dim());
        result.colbert.resize(before + (length - 1) * width);
        colbert_of(*batch.heads->colbert, states, length, dim, threads_,
                   result.colbert.data() + before);
    }
}

uint32_t Session::context_size(uint32_t tokens) const {
    const uint32_t limit = std::max(kContextSizes.front(), model_->spec().context_length);
    const auto* const fits = std::find_if(kContextSizes.begin(), kContextSizes.end(),
                                          [tokens](uint32_t size) { return size >= tokens; });
    const uint32_t size = fits == kContextSizes.end() ? tokens : *fits;
    return std::max(tokens, std::min(size, limit));
}

void Session::ensure_context(uint32_t tokens) {
    const uint32_t size = context_size(tokens);
    const auto now = Clock::now();
    // a context much larger than anything of late is given back, also while there is work
    if (size >= context_tokens_)
        fully_used_ = now;
    const bool float_attention = model_->float_attention() && tokens <= kMostFloatAttention;
    if (context_ && context_tokens_ >= tokens && context_->float_attention == float_attention &&
        now - fully_used_ < kIdleShrink)
        return;
    drop_context();

    const LogCapture log;
    auto fresh = std::make_unique<Context>();
    fresh->float_attention = float_attention;
    require_threads(threads_ - 1);
    fresh->pool = kernels::make_thread_pool(threads_);

    llama_context_params params = llama_context_default_params();
    params.n_ctx = size;
    params.n_batch = size;
    params.n_ubatch = size;
    params.n_seq_max = kMaxTexts;
    params.kv_unified = true;
    params.n_threads = threads_;
    params.n_threads_batch = threads_;
    params.embeddings = true;
    params.pooling_type = LLAMA_POOLING_TYPE_NONE;
    params.attention_type = LLAMA_ATTENTION_TYPE_NON_CAUSAL;
    params.flash_attn_type =
        float_attention ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_ENABLED;
    params.offload_kqv = false;
    params.op_offload = false;
    params.no_perf = true;
    params.abort_callback = &Session::abort_callback;
    params.abort_callback_data = this;
    if (types_) {
        params.cb_eval = kernels::TokenTypes::on_node;
        params.cb_eval_user_data = &*types_;
    }
    fresh->llama.reset(llama_init_from_model(model_->handle(), params));
    if (!fresh->pool || !fresh->llama)
        throw Error(ErrorCode::MemoryLimit, "No context of " + std::to_string(size) +
                                                " tokens could be made: " + log.errors());
    llama_attach_threadpool(fresh->llama.get(), fresh->pool.get(), fresh->pool.get());
    context_ = std::move(fresh);
    context_tokens_ = size;
}

void Session::drop_context() {
    context_tokens_ = 0;
    if (!context_)
        return;
    context_.reset();
    kernels::release_scratch(); // it belongs to this thread
    release_free_memory();
}

uint64_t Session::context_bytes(uint32_t tokens) const {
    if (tokens == 0)
        return 0;
    const ModelSpec& spec = model_->spec();
    const uint64_t n = context_size(tokens);
    // Ours keep six rows of states a token and a mask in half precision; ggml's own ops the inner
    // activations of the FFN and a mask in both precisions as well.
    if (model_->packs_exactly())
        return n * (sizeof(float) * 6ULL * spec.dim) + n * n * 5 / 2;
    const uint64_t bytes = n * (sizeof(float) * (8ULL * spec.dim + spec.ffn) + 6 * n);
    if (!model_->float_attention())
        return bytes;
    // every head's scores are there, before and after their softmax; longer texts have other
    // contexts, but never less room than these
    const uint64_t scored = std::min<uint64_t>(n, kMostFloatAttention);
    return bytes + scored * scored * 2 * spec.heads * sizeof(float);
}

bool Session::should_abort() const {
    const Batch* batch = current_;
    return stopping_ || (batch && batch->cancelled);
}

bool Session::abort_callback(void* self) {
    return static_cast<Session*>(self)->should_abort();
}

namespace {

struct SessionRegistry {
    std::mutex mutex;
    std::map<std::pair<const Model*, int>, std::weak_ptr<Session>> sessions;
};

/// Never destroyed: sessions may outlive static destruction when a process exits in haste.
SessionRegistry& registry() {
    static SessionRegistry& instance = *new SessionRegistry;
    return instance;
}

} // namespace

std::shared_ptr<Session> Session::shared(const std::shared_ptr<Model>& model,
                                         const SessionOptions& options) {
    SessionRegistry& r = registry();
    const int threads = options.threads > 0 ? options.threads : default_threads();
    const std::lock_guard<std::mutex> lock(r.mutex);
    std::weak_ptr<Session>& slot = r.sessions[{model.get(), threads}];
    std::shared_ptr<Session> session = slot.lock();
    if (!session || session->stopping_) {
        session = std::make_shared<Session>(model, options);
        slot = session;
    }
    for (auto it = r.sessions.begin(); it != r.sessions.end();)
        it = it->second.expired() ? r.sessions.erase(it) : std::next(it);
    return session;
}

void Session::stop_all() {
    std::vector<std::shared_ptr<Session>> alive;
    {
        SessionRegistry& r = registry();
        const std::lock_guard<std::mutex> lock(r.mutex);
        for (const auto& [key, weak] : r.sessions) {
            if (auto session = weak.lock())
                alive.push_back(std::move(session));
        }
    }
    for (const auto& session : alive)
        session->stop();
}

} // namespace bge
