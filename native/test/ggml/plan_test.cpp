// Masks, work sharing, the packed forms of weights: what is not a kernel but decides about them.
#include "../kernels/support.h"

#include <algorithm>
#include <thread>

#include "../../ggml/mask.h"
#include "../../ggml/weights.h"

using namespace kernel_test;

namespace {

constexpr uint16_t kHidden = 0xfc00;

std::vector<uint16_t> block_mask(const std::vector<int>& lengths) {
    int n = 0;
    for (int l : lengths)
        n += l;
    std::vector<uint16_t> mask(static_cast<size_t>(n) * n, kHidden);
    int first = 0;
    for (int l : lengths) {
        for (int i = first; i < first + l; ++i)
            for (int j = first; j < first + l; ++j)
                mask[static_cast<size_t>(i) * n + j] = 0;
        first += l;
    }
    return mask;
}

bool blocks(const std::vector<uint16_t>& mask, int n, int parts, std::vector<Sequence>& found) {
    std::vector<Sequence> ranges(static_cast<size_t>(n));
    for (int p = 0; p < parts; ++p)
        if (!read_ranges(mask.data(), n, n * p / parts, n * (p + 1) / parts, ranges.data()))
            return false;
    return blocks_of(ranges, found);
}

} // namespace

TEST("ggml: block-diagonal masks are found, others refused") {
    for (const auto& lengths : {std::vector<int>{7}, {1, 1, 1}, {3, 1, 5, 2}, {16, 31, 2}})
        for (int parts : {1, 2, 3}) {
            auto mask = block_mask(lengths);
            int n = 0;
            for (int l : lengths)
                n += l;
            std::vector<Sequence> found;
            CHECK(blocks(mask, n, parts, found));
            CHECK_EQ(found.size(), lengths.size());
            for (size_t i = 0; i < lengths.size(); ++i)
                CHECK_EQ(found[i].end - found[i].begin, lengths[i]);
            for (size_t at = 0; at < mask.size(); ++at) { // any other mask: every single change
                const uint16_t old = mask[at];
                mask[at] = old == 0 ? kHidden : uint16_t{0};
                found.clear();
                const bool accepted = blocks(mask, n, parts, found);
                if (accepted) // only if it became another block-diagonal mask
                    for (const Sequence& s : found)
                        for (int i = s.begin; i < s.end; ++i)
                            for (int j = 0; j < n; ++j)
                                CHECK_EQ(mask[static_cast<size_t>(i) * n + j] == 0,
                                         j >= s.begin && j < s.end);
                mask[at] = old;
            }
        }
    auto causal = block_mask({4});
    for (int i = 0; i < 4; ++i)
        for (int j = i + 1; j < 4; ++j)
            causal[static_cast<size_t>(i) * 4 + j] = kHidden;
    std::vector<Sequence> found;
    CHECK(!blocks(causal, 4, 1, found));
    auto alibi = block_mask({4});
    alibi[1] = 0xbc00; // -1
    CHECK(!blocks(alibi, 4, 1, found));
}

TEST("ggml: every task is done exactly once") {
    for (int threads : {1, 2, 3, 7})
        for (int tasks : {0, 1, 2, 5, 100, 1000}) {
            for (int round = 0; round < 3; ++round) {
                std::vector<WorkQueue::Counter> counters(static_cast<size_t>(threads));
                WorkQueue queue(counters.data());
                std::vector<std::atomic<int>> done(static_cast<size_t>(tasks));
                std::vector<std::thread> team;
                for (int t = 0; t < threads; ++t)
                    team.emplace_back([&, t] {
                        queue.run(t, threads, tasks,
                                  [&](int i) { ++done[static_cast<size_t>(i)]; });
                    });
                for (std::thread& t : team)
                    t.join();
                for (const auto& d : done)
                    CHECK_EQ(d.load(), 1);
            }
        }
}

TEST("ggml: Q4_0 and Q5_0 keep their values") {
    const int n = 32, k = 64;
    std::mt19937 random(3);
    for (ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_Q5_0}) {
        const size_t block = type == GGML_TYPE_Q4_0 ? 18 : 22;
        std::vector<uint8_t> data(static_cast<size_t>(n) * (k / 32) * block);
        for (size_t i = 0; i < data.size(); ++i)
            data[i] = i % block == 0   ? 0x12
                      : i % block == 1 ? 0x2a
                                       : static_cast<uint8_t>(random());
        Weight weight;
        CHECK(packable(type, k, n, Quant::Block, &weight));
        std::vector<uint8_t> packed(packed_bytes(weight));
        pack_weight(type, data.data(), weight, Packing{}, packed.data());
        for (int c = 0; c < n; ++c)
            for (int i = 0; i < k; ++i) {
                const uint8_t* b =
                    data.data() +
                    (static_cast<size_t>(c) * (k / 32) + static_cast<size_t>(i / 32)) * block;
                const int j = i % 32;
                const uint8_t* nibbles = b + block - 16;
                int q = j < 16 ? nibbles[j] & 15 : nibbles[j - 16] >> 4;
                if (type == GGML_TYPE_Q5_0)
                    q |= (b[2 + j / 8] >> (j % 8) & 1) << 4;
                q -= type == GGML_TYPE_Q4_0 ? 8 : 16;
                const uint8_t* p = packed.data() + static_cast<size_t>(i / 32) * kQ8PanelBlockBytes;
                CHECK_EQ(static_cast<int>(static_cast<int8_t>(p[j / 4 * 128 + c * 4 + j % 4])), q);
                CHECK_EQ(p[1024 + c * 2] | p[1024 + c * 2 + 1] << 8, 0x2a12);
            }
    }
}

TEST("ggml: shapes that do not fit are refused") {
    Weight w;
    CHECK(packable(GGML_TYPE_Q8_0, 1024, 4096, Quant::Block, &w));
    CHECK(!packable(GGML_TYPE_Q8_0, 1024, 33, Quant::Block, &w));
    CHECK(!packable(GGML_TYPE_Q4_K, 384, 384, Quant::Block, &w));
    CHECK(!packable(GGML_TYPE_I32, 64, 64, Quant::Block, &w));
    CHECK(!packable(GGML_TYPE_Q8_0, 0, 32, Quant::Block, &w));
}

TEST_MAIN()
