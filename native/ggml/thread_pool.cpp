#include "thread_pool.h"

#include "ggml-cpu.h"

namespace bge::kernels {

void ThreadPoolDeleter::operator()(ggml_threadpool* pool) const {
    ggml_threadpool_free(pool);
}

ThreadPool make_thread_pool(int threads) {
    ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    params.poll = 0;
    return ThreadPool(ggml_threadpool_new(&params));
}

} // namespace bge::kernels
