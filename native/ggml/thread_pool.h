// The threads that compute a graph.
#pragma once

#include <memory>

struct ggml_threadpool;

namespace bge::kernels {

struct ThreadPoolDeleter {
    void operator()(ggml_threadpool* pool) const;
};
using ThreadPool = std::unique_ptr<ggml_threadpool, ThreadPoolDeleter>;

/// A team of `threads`, the caller's among them. It sleeps between graphs: an idle embedder must
/// not burn a core.
ThreadPool make_thread_pool(int threads);

} // namespace bge::kernels
