// Halves: F16 weights, and the cache of keys and values.

// One row of halves and some columns, which are floats already: four chains of 8 lanes for each element.
template <int COLUMNS>
inline void tile_of_halves(const Product & p, int64_t row, int64_t column, const float * columns) {
    const auto * x = reinterpret_cast<const __m128i *>(p.weights + row * p.weights_stride);
    const float * y = columns + column * p.blocks;
    __m256 lanes[COLUMNS][4];
    for (int c = 0; c < COLUMNS; c++) {
        for (int j = 0; j < 4; j++) {
            lanes[c][j] = _mm256_setzero_ps();
        }
    }
    for (int64_t i = 0; i < p.blocks; i += 32) {
        for (int j = 0; j < 4; j++) {
            const __m256 fx = _mm256_cvtph_ps(_mm_loadu_si128(x + i / 8 + j));
            for (int c = 0; c < COLUMNS; c++) {
                lanes[c][j] = _mm256_fmadd_ps(fx, _mm256_loadu_ps(y + c * p.blocks + i + 8 * j), lanes[c][j]);
            }
        }
    }
    for (int c = 0; c < COLUMNS; c++) {
        p.out[(column + c) * p.out_stride + row] = reduced(lanes[c]);
    }
}

#if ISA_VNNI
// GGML_F32x8_REDUCE of four; `pairs` has lanes 0 and 1 of each in one register, and lanes 2 and 3.
inline __m128 reduced(const __m512 (&pairs)[4][2]) {
    __m512 half[2];
    for (int i = 0; i < 2; i++) {
        const __m512 one = _mm512_add_ps(pairs[2 * i][0], pairs[2 * i][1]);
        const __m512 two = _mm512_add_ps(pairs[2 * i + 1][0], pairs[2 * i + 1][1]);
        half[i] = _mm512_add_ps(_mm512_shuffle_f32x4(one, two, 0x44), _mm512_shuffle_f32x4(one, two, 0xEE));
    }
    const __m512 even = _mm512_shuffle_f32x4(half[0], half[1], 0x88);
    __m512 four = _mm512_add_ps(even, _mm512_shuffle_f32x4(half[0], half[1], 0xDD));
    four = _mm512_add_ps(four, _mm512_movehdup_ps(four));
    return firsts(_mm512_add_ps(four, _mm512_shuffle_ps(four, four, 0xEE)));
}

// Four rows of halves and some columns. A register holds two of an element's four chains.
template <int COLUMNS>
inline void four_rows_of_halves(const Product & p, int64_t row, int64_t column, const float * columns) {
    const char * x = p.weights + row * p.weights_stride;
    const float * y = columns + column * p.blocks;
    __m512 lanes[COLUMNS][4][2];
#pragma GCC unroll 8
    for (int c = 0; c < COLUMNS; c++) {
#pragma GCC unroll 8
        for (int r = 0; r < 4; r++) {
            lanes[c][r][0] = lanes[c][r][1] = _mm512_setzero_ps();
        }
    }
    for (int64_t i = 0; i < p.blocks; i += 32, x += 64, y += 32) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            __m512 fy[COLUMNS];
#pragma GCC unroll 8
            for (int c = 0; c < COLUMNS; c++) {
                fy[c] = _mm512_loadu_ps(y + c * p.blocks + 16 * j);
            }
#pragma GCC unroll 8
            for (int r = 0; r < 4; r++) {
                const __m512 fx = _mm512_cvtph_ps(load(x + r * p.weights_stride + 32 * j));
#pragma GCC unroll 8
                for (int c = 0; c < COLUMNS; c++) {
                    lanes[c][r][j] = _mm512_fmadd_ps(fx, fy[c], lanes[c][r][j]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < COLUMNS; c++) {
        _mm_storeu_ps(p.out + (column + c) * p.out_stride + row, reduced(lanes[c]));
    }
}
#endif

template <int COLUMNS>
void panel_of_halves(const Product & p, int64_t panel, int64_t end, int64_t column, const float * columns) {
    int64_t row = panel;
#if ISA_VNNI
    for (; row + 4 <= end; row += 4) {
        four_rows_of_halves<COLUMNS>(p, row, column, columns);
    }
#endif
    for (; row < end; row++) {
        tile_of_halves<COLUMNS>(p, row, column, columns);
    }
}

void f16(const Product & p) {
    float * columns = scratch(p.count * p.blocks);
    for (int64_t c = 0; c < p.count; c++) {
        const auto * y = reinterpret_cast<const __m128i *>(p.columns + c * p.columns_stride);
        for (int64_t i = 0; i < p.blocks; i += 8) {
            _mm256_storeu_ps(columns + c * p.blocks + i, _mm256_cvtph_ps(_mm_loadu_si128(y + i / 8)));
        }
    }
    for (int64_t panel = p.first; panel < p.last; panel += PANEL) {
        const int64_t end = panel + PANEL < p.last ? panel + PANEL : p.last;
        deal<HALF_COLUMNS>(p.count, [&](auto width, int64_t column) {
            panel_of_halves<decltype(width)::value>(p, panel, end, column, columns);
        });
    }
}
