#include "mask.h"

namespace bge::kernels {
namespace {

constexpr uint16_t kVisible = 0x0000, kHidden = 0xfc00;

bool all(const uint16_t* p, int n, uint16_t value) {
    uint16_t differs = 0;
    for (int i = 0; i < n; ++i) // no early exit: this way it is vectorized
        differs = static_cast<uint16_t>(differs | (p[i] ^ value));
    return differs == 0;
}

} // namespace

bool read_ranges(const uint16_t* mask, int tokens, int first, int last, Sequence* ranges) {
    Sequence guess = {0, 0};
    for (int row = first; row < last; ++row) {
        const uint16_t* p = mask + static_cast<int64_t>(row) * tokens;
        if (row >= guess.end || row < guess.begin) { // not the sequence of the row before
            guess.begin = 0;
            while (guess.begin < tokens && p[guess.begin] != kVisible)
                ++guess.begin;
            guess.end = guess.begin;
            while (guess.end < tokens && p[guess.end] == kVisible)
                ++guess.end;
        }
        if (!all(p, guess.begin, kHidden) ||
            !all(p + guess.begin, guess.end - guess.begin, kVisible) ||
            !all(p + guess.end, tokens - guess.end, kHidden))
            return false;
        ranges[row] = guess;
    }
    return true;
}

bool blocks_of(const std::vector<Sequence>& ranges, std::vector<Sequence>& blocks) {
    const int tokens = static_cast<int>(ranges.size());
    for (int row = 0; row < tokens;) {
        const Sequence block = ranges[static_cast<size_t>(row)];
        if (block.begin != row || block.end <= row || block.end > tokens)
            return false;
        for (; row < block.end; ++row)
            if (ranges[static_cast<size_t>(row)].begin != block.begin ||
                ranges[static_cast<size_t>(row)].end != block.end)
                return false;
        blocks.push_back(block);
    }
    return true;
}

} // namespace bge::kernels
