// Blocks of 32 weights with one scale: Q8_0, Q4_0, Q5_0. The columns are Q8_0.

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

// 32 weights as they lie in the file. Sums of four products each come as from mul_sum_i8_pairs_float, also with
// -128, where a sign wraps.
template <class Block>
struct InFile {
    static constexpr size_t SIZE = sizeof(Block);
    __m256i x, magnitude;

    explicit InFile(const char * from) {
        x = bytes(*reinterpret_cast<const Block *>(from));
        magnitude = _mm256_abs_epi8(x);
    }

    static __m256i column(__m256i y) { return y; }

    __m256i dot(__m256i y) const {
        const __m256i signed_y = _mm256_sign_epi8(y, x);
#if ISA_VNNI
        return _mm256_dpbusd_epi32(_mm256_setzero_si256(), magnitude, signed_y);
#else
        return _mm256_madd_epi16(_mm256_set1_epi16(1), _mm256_maddubs_epi16(magnitude, signed_y));
#endif
    }
};

#if ISA_VNNI
// 32 weights, unpacked for many columns, with what makes up for columns that were raised by 128 to be unsigned.
// The sums are the same where no column holds -128.
struct Prepared {
    static constexpr size_t SIZE = 64;
    __m256i x, less;

    explicit Prepared(const char * from) : x(load(from)), less(load(from + 32)) {}

    static void write(__m256i x, char * to) {
        const __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(char(128)), x);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), x);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + 32), _mm256_sub_epi32(_mm256_setzero_si256(), sums));
    }

    static __m256i column(__m256i y) { return _mm256_xor_si256(y, _mm256_set1_epi8(char(128))); }

    __m256i dot(__m256i raised) const { return _mm256_dpbusd_epi32(less, raised, x); }
};
#endif

// Some rows and columns of blocks of 32 with one scale: a chain of fused multiply-adds in each of 8 lanes.
// Row scales lie block by block, four together.
template <class Weights, int ROWS, int COLUMNS>
void tile(const Product & p, const char * x, size_t x_stride, int64_t row, int64_t column, const float * row_scales,
          const float * column_scales) {
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
        for (int64_t b = 0; b < run; b++, x += Weights::SIZE, y += sizeof(block_q8_0)) {
            __m256i qy[COLUMNS];
#pragma GCC unroll 8
            for (int c = 0; c < COLUMNS; c++) {
                const auto * block = reinterpret_cast<const block_q8_0 *>(y + c * p.columns_stride);
                qy[c] = Weights::column(load(block->qs));
            }
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) {
                const Weights weights(x + r * x_stride);
#pragma GCC unroll 8
                for (int c = 0; c < COLUMNS; c++) {
                    const __m256 products = _mm256_cvtepi32_ps(weights.dot(qy[c]));
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

template <class Weights, int COLUMNS>
void panel_of_32(const Product & p, const char * x, size_t x_stride, int64_t panel, int64_t end, int64_t column,
                 const float * row_scales, const float * column_scales) {
    int64_t row = panel;
    for (; row + 4 <= end; row += 4, x += 4 * x_stride) {
        const float * scales = row_scales + (row - panel) * p.blocks;
        tile<Weights, 4, COLUMNS>(p, x, x_stride, row, column, scales, column_scales);
    }
    for (; row < end; row++, x += x_stride) {
        // The scales of the last rows lie apart, each in all four places.
        const float * scales = row_scales + 4 * (row - panel) * p.blocks;
        tile<Weights, 1, COLUMNS>(p, x, x_stride, row, column, scales, column_scales);
    }
}

template <class Block>
inline short scale_of(const char * block) {
    return static_cast<short>(reinterpret_cast<const Block *>(block)->d);
}

template <class Block>
void blocks_of_32(const Product & p) {
    float * prepared = scratch(((16 + 4) * PANEL + p.count) * p.blocks);
    float * row_scales = prepared + 16 * PANEL * p.blocks;
    float * column_scales = row_scales + 4 * PANEL * p.blocks;
    __m256i lowest = _mm256_setzero_si256();
    for (int64_t c = 0; c < p.count; c++) {
        const auto * y = reinterpret_cast<const block_q8_0 *>(p.columns + c * p.columns_stride);
        for (int64_t b = 0; b < p.blocks; b++) {
            column_scales[c * p.blocks + b] = half(y[b].d);
            lowest = _mm256_min_epi8(lowest, load(y[b].qs));
        }
    }
    [[maybe_unused]] const bool wraps = _mm256_movemask_epi8(_mm256_cmpeq_epi8(lowest, _mm256_set1_epi8(char(-128)))) != 0;
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
        const char * x = p.weights + panel * p.weights_stride;
#if ISA_VNNI
        if (p.count >= WORTH_PREPARING && !wraps) {
            auto * to = reinterpret_cast<char *>(prepared);
            for (int64_t row = panel; row < end; row++) {
                const auto * blocks = reinterpret_cast<const Block *>(p.weights + row * p.weights_stride);
                for (int64_t b = 0; b < p.blocks; b++, to += Prepared::SIZE) {
                    Prepared::write(bytes(blocks[b]), to);
                }
            }
            const auto * rows = reinterpret_cast<const char *>(prepared);
            deal<BLOCK_COLUMNS>(p.count, [&](auto width, int64_t column) {
                panel_of_32<Prepared, decltype(width)::value>(p, rows, p.blocks * Prepared::SIZE, panel, end, column,
                                                              row_scales, column_scales);
            });
            continue;
        }
#endif
        deal<BLOCK_COLUMNS>(p.count, [&](auto width, int64_t column) {
            panel_of_32<InFile<Block>, decltype(width)::value>(p, x, p.weights_stride, panel, end, column, row_scales,
                                                               column_scales);
        });
    }
}

void q8_0(const Product & p) { blocks_of_32<block_q8_0>(p); }
void q4_0(const Product & p) { blocks_of_32<block_q4_0>(p); }
void q5_0(const Product & p) { blocks_of_32<block_q5_0>(p); }
