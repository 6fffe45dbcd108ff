#include "matrix.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace bge::reference {

namespace {

constexpr size_t kLanes = 4; // a tile of eight such sums fits AVX2's registers
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));
constexpr size_t kPanel = 2 * kLanes;
constexpr size_t kRows = 4;

/// kRows rows against one panel. Every sum is over k ascending, so blocking changes no bit.
void multiply_tile(const double* in, size_t stride, const double* panel, size_t inputs,
                   double* out) {
    Lanes sums[kRows][2] = {};
    for (size_t k = 0; k < inputs; ++k) {
        Lanes w0, w1;
        std::memcpy(&w0, panel + k * kPanel, sizeof w0);
        std::memcpy(&w1, panel + k * kPanel + kLanes, sizeof w1);
        for (size_t r = 0; r < kRows; ++r) {
            const double x = in[r * stride + k];
            sums[r][0] += w0 * x;
            sums[r][1] += w1 * x;
        }
    }
    std::memcpy(out, sums, sizeof sums);
}

} // namespace

Matrix::Matrix(const std::vector<double>& weights, size_t outputs, size_t inputs)
    : inputs_(inputs), outputs_(outputs) {
    const size_t groups = (outputs + kPanel - 1) / kPanel;
    panels_.assign(groups * inputs * kPanel, 0.0);
    for (size_t o = 0; o < outputs; ++o)
        for (size_t i = 0; i < inputs; ++i)
            panels_[(o / kPanel * inputs + i) * kPanel + o % kPanel] = weights[o * inputs + i];
}

void Matrix::multiply(const double* in, size_t rows, const double* bias, double* out) const {
    std::vector<double> padded(kRows * inputs_);
    double tile[kRows * kPanel];
    for (size_t r = 0; r < rows; r += kRows) {
        const size_t here = std::min(kRows, rows - r);
        const double* block = in + r * inputs_;
        if (here < kRows) {
            std::copy(block, block + here * inputs_, padded.begin());
            block = padded.data();
        }
        for (size_t o = 0; o < outputs_; o += kPanel) {
            multiply_tile(block, inputs_, &panels_[o * inputs_], inputs_, tile);
            const size_t width = std::min(kPanel, outputs_ - o);
            for (size_t i = 0; i < here; ++i)
                for (size_t j = 0; j < width; ++j)
                    out[(r + i) * outputs_ + o + j] =
                        tile[i * kPanel + j] + (bias ? bias[o + j] : 0.0);
        }
    }
}

void parallel_for(size_t count, int threads, const std::function<void(size_t, size_t)>& body) {
    // Small parts, dealt out in turn: attention's cost may differ between them.
    const size_t part = std::max<size_t>(4, std::min<size_t>(64, count / 8 / 4 * 4));
    const auto work = [&](size_t first) {
        for (size_t begin = first * part; begin < count;
             begin += part * static_cast<size_t>(threads))
            body(begin, std::min(count, begin + part));
    };
    std::vector<std::thread> helpers;
    for (int t = 1; t < threads; ++t)
        helpers.emplace_back(work, static_cast<size_t>(t));
    work(0);
    for (std::thread& helper : helpers)
        helper.join();
}

} // namespace bge::reference
