// The tiles of one instruction set, in the namespace ISA. Included by matmul.cpp once for each.

namespace {
namespace ISA {

// How many columns a tile has at most: as many as the registers hold.
constexpr int BLOCK_COLUMNS = ISA_VNNI ? 4 : 2;
constexpr int UNPACKED_COLUMNS = 4;
constexpr int HALF_COLUMNS = 3;
constexpr int RUN = 16;  // blocks whose scales are multiplied in advance

template <int N>
struct Width {
    static constexpr int value = N;
};

template <int N, class Tile>
inline void of_width(int64_t width, int64_t column, const Tile & tile) {
    if (width == N) {
        tile(Width<N>(), column);
    } else if constexpr (N > 1) {
        of_width<N - 1>(width, column, tile);
    }
}

// Deals columns to tiles of at most MOST, as evenly as possible: a tile of one column saves nothing.
template <int MOST, class Tile>
inline void deal(int64_t count, const Tile & tile) {
    const int64_t tiles = (count + MOST - 1) / MOST;
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t begin = count * i / tiles;
        of_width<MOST>(count * (i + 1) / tiles - begin, begin, tile);
    }
}

// Sums of four products each, as mul_sum_i8_pairs_float has them (also for -128, where signs wrap).
inline __m256 dot(__m256i magnitude, __m256i x, __m256i y) {
    const __m256i signed_y = _mm256_sign_epi8(y, x);
#if ISA_VNNI
    return _mm256_cvtepi32_ps(_mm256_dpbusd_epi32(_mm256_setzero_si256(), magnitude, signed_y));
#else
    const __m256i pairs = _mm256_maddubs_epi16(magnitude, signed_y);
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_set1_epi16(1), pairs));
#endif
}

// sum + scale * (products of unsigned and signed bytes, four together); no pair exceeds 16 bits.
inline __m256i scaled(__m256i sum, __m256i scale, __m256i x, __m256i y) {
    const __m256i pairs = _mm256_maddubs_epi16(x, y);
#if ISA_VNNI
    return _mm256_dpwssd_epi32(sum, scale, pairs);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(scale, pairs));
#endif
}

inline __m128 halves(__m256 value) {
    return _mm_add_ps(_mm256_extractf128_ps(value, 1), _mm256_castps256_ps128(value));
}

// hsum_float_8
inline float sum(__m256 value) {
    __m128 rest = halves(value);
    rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
    return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
}

#if ISA_VNNI
// The first of each four.
inline __m128 firsts(__m512 values) {
    const __m512i places = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(places, values));
}
#endif

// hsum_float_8 of four.
inline __m128 sums(__m256 one, __m256 two, __m256 three, __m256 four) {
#if ISA_VNNI
    const __m512 a = _mm512_insertf32x8(_mm512_castps256_ps512(one), two, 1);
    const __m512 b = _mm512_insertf32x8(_mm512_castps256_ps512(three), four, 1);
    __m512 rest = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0xDD), _mm512_shuffle_f32x4(a, b, 0x88));
    rest = _mm512_add_ps(rest, _mm512_shuffle_ps(rest, rest, 0xEE));
    return firsts(_mm512_add_ps(rest, _mm512_movehdup_ps(rest)));
#else
    __m128 a = halves(one), b = halves(two), c = halves(three), d = halves(four);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    return _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
#endif
}

// GGML_F32x8_REDUCE
inline float reduced(const __m256 * values) {
    const __m256 one = _mm256_add_ps(values[0], values[2]), two = _mm256_add_ps(values[1], values[3]);
    const __m128 pairs = _mm_hadd_ps(halves(_mm256_add_ps(one, two)), _mm_setzero_ps());
    return _mm_cvtss_f32(_mm_hadd_ps(pairs, pairs));
}

inline __m256i load(const void * from) { return _mm256_loadu_si256(static_cast<const __m256i *>(from)); }

inline __m256i nibbles(const uint8_t * from) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
    const __m256i both = _mm256_insertf128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

inline __m256i bytes(const block_q8_0 & block) { return load(block.qs); }

inline __m256i bytes(const block_q4_0 & block) {
    return _mm256_sub_epi8(nibbles(block.qs), _mm256_set1_epi8(8));
}

inline __m256i bytes(const block_q5_0 & block) {
    uint32_t high;
    std::memcpy(&high, block.qh, sizeof high);
    const __m256i place = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x(int64_t(0x8040201008040201));
    const __m256i spread = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(int(high)), place), bit);
    // Without the fifth bit the value is negative.
    const __m256i missing = _mm256_andnot_si256(_mm256_cmpeq_epi8(spread, bit), _mm256_set1_epi8(char(0xF0)));
    return _mm256_or_si256(nibbles(block.qs), missing);
}

// Some rows and columns of blocks of 32 with one scale: a chain of fused multiply-adds in each of 8 lanes.
// Row scales lie block by block, four together.
template <class Block, int ROWS, int COLUMNS>
void tile(const Product & p, int64_t row, int64_t column, const float * row_scales, const float * column_scales) {
    const char * x = p.weights + row * p.weights_stride;
    const char * y = p.columns + column * p.columns_stride;
    column_scales += column * p.blocks;
    __m256 lanes[COLUMNS][ROWS];
#pragma GCC unroll 8
    for (int c = 0; c < COLUMNS; c++) {
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            lanes[c][r] = _mm256_setzero_ps();
        }
    }
    for (int64_t begin = 0; begin < p.blocks; begin += RUN) {
        const int64_t run = p.blocks - begin < RUN ? p.blocks - begin : RUN;
        // Through memory, from where a scale comes into all lanes at no cost.
        alignas(64) float scales[RUN][COLUMNS][4];
        for (int64_t b = 0; b < run; b++) {
            const __m128 four = _mm_loadu_ps(row_scales + 4 * (begin + b));
#pragma GCC unroll 8
            for (int c = 0; c < COLUMNS; c++) {
                _mm_store_ps(scales[b][c], _mm_mul_ps(four, _mm_set1_ps(column_scales[c * p.blocks + begin + b])));
            }
        }
        for (int64_t b = 0; b < run; b++, x += sizeof(Block), y += sizeof(block_q8_0)) {
            __m256i qy[COLUMNS];
#pragma GCC unroll 8
            for (int c = 0; c < COLUMNS; c++) {
                qy[c] = load(reinterpret_cast<const block_q8_0 *>(y + c * p.columns_stride)->qs);
            }
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) {
                const __m256i qx = bytes(*reinterpret_cast<const Block *>(x + r * p.weights_stride));
                const __m256i magnitude = _mm256_abs_epi8(qx);
#pragma GCC unroll 8
                for (int c = 0; c < COLUMNS; c++) {
                    const __m256 products = dot(magnitude, qx, qy[c]);
                    lanes[c][r] = _mm256_fmadd_ps(_mm256_broadcast_ss(&scales[b][c][r]), products, lanes[c][r]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < COLUMNS; c++) {
        float * out = p.out + (column + c) * p.out_stride + row;
        if constexpr (ROWS == 4) {
            _mm_storeu_ps(out, sums(lanes[c][0], lanes[c][1], lanes[c][2], lanes[c][3]));
        } else {
            *out = sum(lanes[c][0]);
        }
    }
}

template <class Block, int COLUMNS>
void panel_of_32(const Product & p, int64_t panel, int64_t end, int64_t column, const float * row_scales,
                 const float * column_scales) {
    int64_t row = panel;
    for (; row + 4 <= end; row += 4) {
        tile<Block, 4, COLUMNS>(p, row, column, row_scales + (row - panel) * p.blocks, column_scales);
    }
    for (; row < end; row++) {
        // The scales of the last rows lie apart, each in all four places.
        tile<Block, 1, COLUMNS>(p, row, column, row_scales + 4 * (row - panel) * p.blocks, column_scales);
    }
}

template <class Block>
inline short scale_of(const char * block) {
    return static_cast<short>(reinterpret_cast<const Block *>(block)->d);
}

template <class Block>
void blocks_of_32(const Product & p) {
    float * column_scales = scratch((p.count + 4 * PANEL) * p.blocks);
    float * row_scales = column_scales + p.count * p.blocks;
    for (int64_t c = 0; c < p.count; c++) {
        const auto * y = reinterpret_cast<const block_q8_0 *>(p.columns + c * p.columns_stride);
        for (int64_t b = 0; b < p.blocks; b++) {
            column_scales[c * p.blocks + b] = half(y[b].d);
        }
    }
    for (int64_t panel = p.first; panel < p.last; panel += PANEL) {
        const int64_t end = panel + PANEL < p.last ? panel + PANEL : p.last;
        const int64_t whole = panel + (end - panel) / 4 * 4;
        for (int64_t row = panel; row < end; row += row < whole ? 4 : 1) {
            const char * x = p.weights + row * p.weights_stride;
            const size_t next = row < whole ? p.weights_stride : 0;
            float * to = row_scales + (row < whole ? 1 : 4) * (row - panel) * p.blocks;
            for (int64_t b = 0; b < p.blocks; b++, x += sizeof(Block)) {
                const __m128i four = _mm_setr_epi16(scale_of<Block>(x), scale_of<Block>(x + next),
                                                    scale_of<Block>(x + 2 * next), scale_of<Block>(x + 3 * next),
                                                    0, 0, 0, 0);
                _mm_storeu_ps(to + 4 * b, _mm_cvtph_ps(four));
            }
        }
        deal<BLOCK_COLUMNS>(p.count, [&](auto width, int64_t column) {
            panel_of_32<Block, decltype(width)::value>(p, panel, end, column, row_scales, column_scales);
        });
    }
}

void q8_0(const Product & p) { blocks_of_32<block_q8_0>(p); }
void q4_0(const Product & p) { blocks_of_32<block_q4_0>(p); }
void q5_0(const Product & p) { blocks_of_32<block_q5_0>(p); }

// One row's block of 256, unpacked: bytes, and a scale of 16 bits for each pair of them.
struct Unpacked {
    __m256i bytes[8];
    __m256i scales[8];
};

struct Q4K {
    using Block = block_q4_K;
    // The mins have four lanes of their own.
    struct Lanes {
        __m256 main = _mm256_setzero_ps();
        __m128 mins = _mm_setzero_ps();
    };
    Unpacked weights;
    __m128i mins;
    float d, dmin;

    void unpack(const Block & x) {
        uint8_t scale[16];
        for (int i = 0; i < 4; i++) {
            scale[i] = x.scales[i] & 63;
            scale[i + 4] = (x.scales[i + 8] & 15) | ((x.scales[i] >> 6) << 4);
            scale[i + 8] = x.scales[i + 4] & 63;
            scale[i + 12] = (x.scales[i + 8] >> 4) | ((x.scales[i + 4] >> 6) << 4);
        }
        for (int i = 0; i < 4; i++) {
            const __m256i both = load(x.qs + 32 * i);
            weights.bytes[2 * i] = _mm256_and_si256(both, _mm256_set1_epi8(15));
            weights.bytes[2 * i + 1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
        }
        for (int i = 0; i < 8; i++) {
            weights.scales[i] = _mm256_set1_epi16(scale[i]);
        }
        mins = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(scale + 8)));
        d = half(x.d);
        dmin = half(x.dmin);
    }

    void add(Lanes & lanes, const block_q8_K & y) const {
        const __m256i in_16 = load(y.bsums);
        const __m128i in_32 = _mm_hadd_epi16(_mm256_castsi256_si128(in_16), _mm256_extracti128_si256(in_16, 1));
        const __m128 less = _mm_cvtepi32_ps(_mm_madd_epi16(mins, in_32));
        lanes.mins = _mm_fmadd_ps(_mm_set1_ps(-y.d * dmin), less, lanes.mins);
        __m256i total = _mm256_setzero_si256();
        for (int i = 0; i < 8; i++) {
            total = scaled(total, weights.scales[i], weights.bytes[i], load(y.qs + 32 * i));
        }
        lanes.main = _mm256_fmadd_ps(_mm256_set1_ps(y.d * d), _mm256_cvtepi32_ps(total), lanes.main);
    }

    static float result(const Lanes & lanes) {
        const __m128 two = _mm_add_ps(lanes.mins, _mm_movehl_ps(lanes.mins, lanes.mins));
        return sum(lanes.main) + _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
};

struct Q6K {
    using Block = block_q6_K;
    struct Lanes {
        __m256 main = _mm256_setzero_ps();
    };
    Unpacked weights;
    __m256i scales;
    float d;

    void unpack(const Block & x) {
        const __m256i low = _mm256_set1_epi8(15), two = _mm256_set1_epi8(48);
        for (int i = 0; i < 2; i++) {
            const __m256i one = load(x.ql + 64 * i), other = load(x.ql + 64 * i + 32), high = load(x.qh + 32 * i);
            __m256i * to = weights.bytes + 4 * i;
            to[0] = _mm256_or_si256(_mm256_and_si256(one, low), _mm256_and_si256(_mm256_slli_epi16(high, 4), two));
            to[1] = _mm256_or_si256(_mm256_and_si256(other, low), _mm256_and_si256(_mm256_slli_epi16(high, 2), two));
            to[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(one, 4), low), _mm256_and_si256(high, two));
            to[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(other, 4), low),
                                    _mm256_and_si256(_mm256_srli_epi16(high, 2), two));
        }
        for (int i = 0; i < 8; i++) {
            const __m128i lower = _mm_set1_epi16(x.scales[2 * i]), upper = _mm_set1_epi16(x.scales[2 * i + 1]);
            weights.scales[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(lower), upper, 1);
        }
        scales = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(x.scales)));
        d = half(x.d);
    }

    void add(Lanes & lanes, const block_q8_K & y) const {
        const __m256i offset = _mm256_slli_epi32(_mm256_madd_epi16(load(y.bsums), scales), 5);
        __m256i total = _mm256_setzero_si256();
        for (int i = 0; i < 8; i++) {
            total = scaled(total, weights.scales[i], weights.bytes[i], load(y.qs + 32 * i));
        }
        total = _mm256_sub_epi32(total, offset);
        lanes.main = _mm256_fmadd_ps(_mm256_set1_ps(y.d * d), _mm256_cvtepi32_ps(total), lanes.main);
    }

    static float result(const Lanes & lanes) { return sum(lanes.main); }
};

// One row and some columns of blocks of 256: the row is unpacked once for all of them.
template <class Type, int COLUMNS>
inline void tile_of_256(const Product & p, int64_t row, int64_t column) {
    const auto * x = reinterpret_cast<const typename Type::Block *>(p.weights + row * p.weights_stride);
    const block_q8_K * y[COLUMNS];
    typename Type::Lanes lanes[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        y[c] = reinterpret_cast<const block_q8_K *>(p.columns + (column + c) * p.columns_stride);
    }
    for (int64_t b = 0; b < p.blocks; b++) {
        Type unpacked;
        unpacked.unpack(x[b]);
        for (int c = 0; c < COLUMNS; c++) {
            unpacked.add(lanes[c], y[c][b]);
        }
    }
    for (int c = 0; c < COLUMNS; c++) {
        p.out[(column + c) * p.out_stride + row] = Type::result(lanes[c]);
    }
}

template <class Type>
void blocks_of_256(const Product & p) {
    for (int64_t panel = p.first; panel < p.last; panel += PANEL) {
        const int64_t end = panel + PANEL < p.last ? panel + PANEL : p.last;
        deal<UNPACKED_COLUMNS>(p.count, [&](auto width, int64_t column) {
            for (int64_t row = panel; row < end; row++) {
                tile_of_256<Type, decltype(width)::value>(p, row, column);
            }
        });
    }
}

void q4_k(const Product & p) { blocks_of_256<Q4K>(p); }
void q6_k(const Product & p) { blocks_of_256<Q6K>(p); }

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

}  // namespace ISA
}  // namespace
