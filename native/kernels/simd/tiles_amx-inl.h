// AMX's tile registers: 0 for rows, 1 and 2 for weights, 3 and 4 for sums. With BGE_AMX_EMULATED in
// software, as the instructions are defined (Intel SDM 2, TILELOADD and TDPBSUD), so that what is
// built on them can be tested on processors without.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../kernels.h"

namespace bge::kernels {
namespace {

/// What LDTILECFG reads: every tile's rows and bytes a row.
struct alignas(64) TileShapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {kBlock, 64, 64, 64, 64};
    uint8_t rows[16] = {kTileRows, kBlock / 4, kBlock / 4, kTileRows, kTileRows};
};
static_assert(sizeof(TileShapes) == 64, "a cache line");

#ifdef BGE_AMX_EMULATED

struct EmulatedTile {
    uint8_t bytes[16][64];
};
thread_local EmulatedTile g_tiles[8];
thread_local TileShapes g_shapes;

inline void emulated_load(int t, const void* from, size_t stride) {
    for (size_t r = 0; r < g_shapes.rows[t]; ++r)
        std::memcpy(g_tiles[t].bytes[r], static_cast<const uint8_t*>(from) + r * stride,
                    g_shapes.row_bytes[t]);
}
inline void emulated_store(int t, void* to, size_t stride) {
    for (size_t r = 0; r < g_shapes.rows[t]; ++r)
        std::memcpy(static_cast<uint8_t*>(to) + r * stride, g_tiles[t].bytes[r],
                    g_shapes.row_bytes[t]);
}
/// sums[m][n] += rows[m][4 k + i] * weights[k][4 n + i], signed times unsigned.
inline void emulated_dot(int sums, int rows, int weights) {
    for (int m = 0; m < g_shapes.rows[sums]; ++m)
        for (int n = 0; n < g_shapes.row_bytes[sums] / 4; ++n) {
            uint32_t sum;
            std::memcpy(&sum, g_tiles[sums].bytes[m] + n * 4, 4);
            for (int k = 0; k < g_shapes.row_bytes[rows] / 4; ++k)
                for (int i = 0; i < 4; ++i)
                    sum += static_cast<uint32_t>(
                        static_cast<int8_t>(g_tiles[rows].bytes[m][k * 4 + i]) *
                        g_tiles[weights].bytes[k][n * 4 + i]);
            std::memcpy(g_tiles[sums].bytes[m] + n * 4, &sum, 4);
        }
}
#define BGE_TILE_LOAD(t, from, stride) emulated_load(t, from, stride)
#define BGE_TILE_STORE(t, to, stride) emulated_store(t, to, stride)
#define BGE_TILE_ZERO(t) std::memset(&g_tiles[t], 0, sizeof g_tiles[t])
#define BGE_TILE_DOT(sums, rows, weights) emulated_dot(sums, rows, weights)
inline void configure_tiles(const TileShapes& shapes) {
    g_shapes = shapes;
}
inline void release_tiles() {}

#else

// GCC 12's loads do not say that they read memory
#define BGE_TILE_LOAD(t, from, stride)                                                             \
    do {                                                                                           \
        __asm__ volatile("" ::: "memory");                                                         \
        _tile_loadd(t, from, stride);                                                              \
    } while (false)
#define BGE_TILE_STORE(t, to, stride) _tile_stored(t, to, stride)
#define BGE_TILE_ZERO(t) _tile_zero(t)
#define BGE_TILE_DOT(sums, rows, weights) _tile_dpbsud(sums, rows, weights)
inline void configure_tiles(const TileShapes& shapes) {
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&shapes);
}
inline void release_tiles() {
    _tile_release();
}

#endif

/// While it lives, this thread's tiles have their shapes. Given back at the end: a thread that
/// holds tiles has 8 KiB more to be saved whenever it is switched.
class Tiles {
  public:
    Tiles() { configure_tiles(TileShapes()); }
    ~Tiles() { release_tiles(); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;
};

} // namespace
} // namespace bge::kernels
