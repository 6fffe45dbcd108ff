#include "output_heads.h"

#include <algorithm>
#include <exception>
#include <thread>

namespace bge {

namespace {

/// Threads that have ended when this goes.
class Helpers {
  public:
    Helpers() = default;
    Helpers(const Helpers&) = delete;
    Helpers& operator=(const Helpers&) = delete;
    ~Helpers() {
        for (std::thread& thread : threads_)
            thread.join();
    }
    /// On a thread of its own; here when there is none to be had. `work` must not throw.
    template <class Work> void run(Work work) {
        try {
            threads_.emplace_back(work);
        } catch (const std::exception&) { // system_error for the thread, bad_alloc for its record
            work();
        }
    }

  private:
    std::vector<std::thread> threads_;
};

} // namespace

SparseVector sparse_of(const Heads::Sparse& head, const CheckedVocabulary& vocabulary,
                       const float* states, const int32_t* tokens, uint32_t length, size_t dim) {
    std::vector<float> weights(length);
    kernels::head_sparse(states, static_cast<int>(length), static_cast<int>(dim),
                         head.weight.data(), head.bias, weights.data());
    std::vector<std::pair<uint32_t, float>> pairs;
    for (uint32_t i = 0; i < length; ++i) {
        const auto id = static_cast<uint32_t>(tokens[i]);
        const bool dropped = id == vocabulary.begin() || id == vocabulary.end() ||
                             id == vocabulary.padding() || id == vocabulary.unknown();
        if (!dropped && weights[i] > 0)
            pairs.emplace_back(id, weights[i]);
    }
    // per id the largest weight comes first and is the one that is kept
    std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
    SparseVector out;
    for (const auto& [id, weight] : pairs) {
        if (!out.indices.empty() && out.indices.back() == id)
            continue;
        out.indices.push_back(id);
        out.values.push_back(weight);
    }
    return out;
}

void colbert_of(const kernels::ColbertHead& head, const float* states, uint32_t length, size_t dim,
                int threads, float* out) {
    constexpr uint32_t kRowsPerThread = 64; // below that starting a thread costs more than it saves
    const uint32_t rows = length - 1;
    const float* first = states + dim;
    const uint32_t parts =
        std::max(1U, std::min(static_cast<uint32_t>(threads), rows / kRowsPerThread));
    const uint32_t share = (rows + parts - 1) / parts;
    const auto run = [&head, first, out, share, rows](uint32_t part) {
        head.run(first, static_cast<int>(std::min(rows, part * share)),
                 static_cast<int>(std::min(rows, (part + 1) * share)), out);
    };
    Helpers helpers;
    for (uint32_t part = 1; part < parts; ++part)
        helpers.run([&run, part] { run(part); });
    run(0);
}

} // namespace bge
