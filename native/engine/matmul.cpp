#include "matmul.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"
#include "../kernels/pack.h"

namespace bge {
namespace {

/// Rows of `a` taken at a time: what they and a panel of `b` hold stays in the L2 cache.
constexpr size_t kRows = 96;
/// The kernels want k in whole vectors; zeros at the end change no sum.
constexpr size_t kAlign = 32;

/// `rows` rows of k floats, each padded with zeros to `padded`.
void copy_padded(const float* from, size_t rows, size_t k, size_t padded, float* to) {
    for (size_t row = 0; row < rows; ++row) {
        std::copy(from + row * k, from + row * k + k, to + row * padded);
        std::fill(to + row * padded + k, to + (row + 1) * padded, 0.0F);
    }
}

} // namespace

void matmul_transposed(const float* a, const float* b, float* out, size_t m, size_t n, size_t k) {
    using kernels::FloatType;
    constexpr auto kPanel = static_cast<size_t>(kernels::kPanel);
    const size_t padded = std::max<size_t>(1, (k + kAlign - 1) / kAlign) * kAlign;
    const auto width = static_cast<int>(padded);
    std::vector<uint8_t> packed(
        kernels::float_packed_bytes(kernels::kPanel, width, FloatType::F32));
    std::vector<float> panel(kPanel * padded);
    std::vector<float> rows(kRows * padded);
    std::vector<float> sums(kRows * kPanel);

    for (size_t j = 0; j < n; j += kPanel) {
        const size_t columns = std::min(kPanel, n - j);
        copy_padded(b + j * k, columns, k, padded, panel.data());
        std::fill(panel.begin() + static_cast<ptrdiff_t>(columns * padded), panel.end(), 0.0F);
        kernels::pack_float(panel.data(), kernels::kPanel, width, FloatType::F32, packed.data());
        for (size_t i = 0; i < m; i += kRows) {
            const size_t count = std::min(kRows, m - i);
            kernels::GemmFloat gemm;
            gemm.ld = padded;
            gemm.k = width;
            gemm.type = FloatType::F32;
            gemm.weights = packed.data();
            gemm.out.f32 = sums.data();
            gemm.out.ld = kPanel;
            gemm.rows = a + i * k;
            if (padded != k) {
                copy_padded(a + i * k, count, k, padded, rows.data());
                gemm.rows = rows.data();
            }
            kernels::table()->gemm_float(gemm, 0, static_cast<int>(count), 0, 1);
            for (size_t row = 0; row < count; ++row)
                std::copy_n(sums.data() + row * kPanel, columns, out + (i + row) * n + j);
        }
    }
}

} // namespace bge
