#include "embed.h"

#include <future>

namespace bge::test {

std::vector<std::vector<float>> embed(Session& session,
                                      const std::vector<std::vector<int32_t>>& texts) {
    const auto batch = std::make_shared<Batch>();
    for (const std::vector<int32_t>& ids : texts) {
        batch->tokens.insert(batch->tokens.end(), ids.begin(), ids.end());
        batch->lengths.push_back(static_cast<uint32_t>(ids.size()));
    }
    std::promise<BatchResult> promise;
    batch->done = [&](BatchResult&& result) { promise.set_value(std::move(result)); };
    session.submit(batch);
    const BatchResult result = promise.get_future().get();
    if (result.error)
        throw Error(*result.error);
    const size_t dim = session.model().spec().dim;
    std::vector<std::vector<float>> out;
    for (size_t i = 0; i < texts.size(); ++i) {
        const auto begin = result.pooled.begin() + static_cast<std::ptrdiff_t>(i * dim);
        out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(dim));
    }
    return out;
}

} // namespace bge::test
