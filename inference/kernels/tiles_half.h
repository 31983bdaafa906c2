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

#if ISA_VNNI
// 16 rows of 16 halves as floats, turned over: to[i] has number i of each row.
inline void turn_over(const char * from, size_t stride, float * to) {
    __m512 a[16], b[16];
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
        a[r] = _mm512_cvtph_ps(load(from + r * stride));
    }
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const __m512d one = _mm512_castps_pd(b[i + j]), two = _mm512_castps_pd(b[i + j + 2]);
            a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(one, two));
            a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(one, two));
        }
    }
    // a[4 * g + j] has, of rows 4 * g to 4 * g + 3, numbers j, j + 4, j + 8 and j + 12.
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512 low = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88), high = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
        const __m512 next = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xDD), last = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xDD);
        _mm512_storeu_ps(to + 16 * j, _mm512_shuffle_f32x4(low, high, 0x88));
        _mm512_storeu_ps(to + 16 * (j + 8), _mm512_shuffle_f32x4(low, high, 0xDD));
        _mm512_storeu_ps(to + 16 * (j + 4), _mm512_shuffle_f32x4(next, last, 0x88));
        _mm512_storeu_ps(to + 16 * (j + 12), _mm512_shuffle_f32x4(next, last, 0xDD));
    }
}

// 16 short rows, turned over, and some columns: a lane for each row, so that no sum goes across lanes. Products
// of halves are exact, so the first of a chain needs no addition; it may be -0 where adding it to 0 gives 0,
// which the last addition mends.
template <int COLUMNS>
inline void sixteen_rows_of_halves(const Product & p, int64_t row, int64_t column, const float * rows, const float * columns) {
    const float * y = columns + column * p.blocks;
    __m512 pairs[2][COLUMNS];
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        __m512 sums[2][COLUMNS];  // of lane q and of lane q + 4
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m512 chains[4][COLUMNS];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const int64_t place = 8 * j + 4 * h + q;
                const __m512 x = _mm512_loadu_ps(rows + 16 * place);
#pragma GCC unroll 8
                for (int c = 0; c < COLUMNS; c++) {
                    chains[j][c] = _mm512_mul_ps(x, _mm512_set1_ps(y[c * p.blocks + place]));
                }
                for (int64_t i = place + 32; i < p.blocks; i += 32) {
                    const __m512 more = _mm512_loadu_ps(rows + 16 * i);
#pragma GCC unroll 8
                    for (int c = 0; c < COLUMNS; c++) {
                        chains[j][c] = _mm512_fmadd_ps(more, _mm512_set1_ps(y[c * p.blocks + i]), chains[j][c]);
                    }
                }
            }
#pragma GCC unroll 8
            for (int c = 0; c < COLUMNS; c++) {
                const __m512 even = _mm512_add_ps(chains[0][c], chains[2][c]);
                sums[h][c] = _mm512_add_ps(even, _mm512_add_ps(chains[1][c], chains[3][c]));
            }
        }
#pragma GCC unroll 8
        for (int c = 0; c < COLUMNS; c++) {
            const __m512 both = _mm512_add_ps(sums[0][c], sums[1][c]);
            pairs[q / 2][c] = q % 2 == 0 ? both : _mm512_add_ps(pairs[q / 2][c], both);
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < COLUMNS; c++) {
        const __m512 sum = _mm512_add_ps(pairs[0][c], pairs[1][c]);
        _mm512_storeu_ps(p.out + (column + c) * p.out_stride + row, _mm512_add_ps(sum, _mm512_setzero_ps()));
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
    float * columns = scratch((p.count + PANEL) * p.blocks);
    for (int64_t c = 0; c < p.count; c++) {
        const auto * y = reinterpret_cast<const __m128i *>(p.columns + c * p.columns_stride);
        for (int64_t i = 0; i < p.blocks; i += 8) {
            _mm256_storeu_ps(columns + c * p.blocks + i, _mm256_cvtph_ps(_mm_loadu_si128(y + i / 8)));
        }
    }
    for (int64_t panel = p.first; panel < p.last; panel += PANEL) {
        const int64_t end = panel + PANEL < p.last ? panel + PANEL : p.last;
#if ISA_VNNI
        if (end - panel == PANEL && p.blocks <= SHORT_ROW && p.count >= WORTH_PREPARING) {
            float * rows = columns + p.count * p.blocks;
            for (int64_t i = 0; i < p.blocks; i += 16) {
                turn_over(p.weights + panel * p.weights_stride + 2 * i, p.weights_stride, rows + PANEL * i);
            }
            deal<HALF_COLUMNS>(p.count, [&](auto width, int64_t column) {
                sixteen_rows_of_halves<decltype(width)::value>(p, panel, column, rows, columns);
            });
            continue;
        }
#endif
        deal<HALF_COLUMNS>(p.count, [&](auto width, int64_t column) {
            panel_of_halves<decltype(width)::value>(p, panel, end, column, columns);
        });
    }
}
