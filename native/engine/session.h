// One session: a thread that owns a llama.cpp context. Micro-batches go in through a queue, token
// states come out; nothing else touches the context.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "../ggml/token_types.h"
#include "error.h"
#include "model.h"
#include "output_heads.h"

namespace bge {

/// What one micro-batch gave. All rows are in the order in which the texts were given.
struct BatchResult {
    /// Set when the batch failed; the rest is empty then.
    std::optional<Error> error;
    /// texts x dense_dim: each text's pooled state after the model's modules, its length as they
    /// leave it. Of a re-ranker one score per text.
    std::vector<float> pooled;
    /// A vector per text, when asked for.
    std::vector<SparseVector> sparse;
    /// (length - 1) x dim rows per text, one text after the other, when asked for.
    std::vector<float> colbert;
    /// tokens x dim, the last hidden state of every token, when asked for.
    std::vector<float> states;
    double queue_ms = 0;
    double compute_ms = 0;
};

/// Several texts that go through the model together.
struct Batch {
    /// Token ids of all texts, one after the other.
    std::vector<int32_t> tokens;
    /// Tokens of each text; their sum is tokens.size().
    std::vector<uint32_t> lengths;
    /// Where texts are pairs: tokens of each text's first part, separators included; or empty.
    std::vector<uint32_t> firsts;
    /// Bits of `Output`; dense is always computed. Sparse and ColBERT need a head.
    uint32_t outputs = kDense;
    std::shared_ptr<const Heads> heads;
    /// Called exactly once, on the engine's thread or on the one that withdraws the batch.
    std::function<void(BatchResult&&)> done;
    /// Set it from any thread: a waiting batch is dropped when its turn comes, a running one ends
    /// within milliseconds; `done` comes with Cancelled.
    std::atomic<bool> cancelled{false};

    std::chrono::steady_clock::time_point submitted{};
};

struct SessionOptions {
    /// Compute threads; 0 = one per real core.
    int threads = 0;
};

class Session {
  public:
    /// The session of this model and these options: made on first use, shared afterwards.
    static std::shared_ptr<Session> shared(const std::shared_ptr<Model>& model,
                                           const SessionOptions& options);
    /// Stops every session in the process; used when the process is about to exit.
    static void stop_all();

    Session(std::shared_ptr<Model> model, const SessionOptions& options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Queues a batch. Throws InvalidInput if a text is empty, too long, holds an id outside the
    /// vocabulary (llama.cpp would abort on these), or an output has no head.
    void submit(const std::shared_ptr<Batch>& batch);
    /// Takes back a batch that still waits: its `done` comes with Cancelled, on this thread. False
    /// if it runs already, or is done.
    bool withdraw(const std::shared_ptr<Batch>& batch);
    /// Ends the thread; batches that did not finish end as Disposed. Idempotent.
    void stop();

    const Model& model() const { return *model_; }
    int threads() const { return threads_; }
    /// Tokens the context can take now; 0 before the first batch and after idling.
    uint32_t context_tokens() const { return context_tokens_.load(); }
    /// Bytes that the context for a batch of so many tokens takes: llama.cpp's own account is not
    /// public, so these are fitted to resident memory as measured (docs/performance.md).
    uint64_t context_bytes(uint32_t tokens) const;

  private:
    struct Context;

    void run();
    void execute(Batch& batch);
    void encode(const Batch& batch, size_t first_text, size_t n_texts, size_t first_token,
                size_t n_tokens, BatchResult& result);
    void collect(const Batch& batch, size_t text, const int32_t* tokens, const float* states,
                 BatchResult& result) const;
    uint32_t context_size(uint32_t tokens) const;
    void ensure_context(uint32_t tokens);
    void drop_context();
    bool should_abort() const;
    static bool abort_callback(void* self);

    const std::shared_ptr<Model> model_;
    const int threads_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<Batch>> queue_;
    std::atomic<bool> stopping_{false};

    /// For a model with a second token type; touched by the thread alone, as the context.
    std::optional<kernels::TokenTypes> types_;
    std::unique_ptr<Context> context_;
    std::atomic<uint32_t> context_tokens_{0};
    /// When a batch last needed a context as large as this one.
    std::chrono::steady_clock::time_point fully_used_{};
    std::atomic<Batch*> current_{nullptr};
    std::thread thread_;
    std::mutex join_mutex_;
};

} // namespace bge
